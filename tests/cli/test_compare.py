import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.trained import write_corpus

from sulsul.cli import main

TINY = [
    "--set=model.units=3",
    "--set=training.epochs=1",
    "--set=training.threads=1",
    "--set=text.tokenizer=word",
    "--seeds=1",
]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["sulsul", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    code = caught.value.code
    return code if isinstance(code, int) else 0


def test_compare_prints_one_table_and_writes_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, folder = write_corpus(tmp_path / "corpus.csv"), tmp_path / "run"
    monkeypatch.setenv("COLUMNS", "120")
    arguments = ["compare", str(source), "--label", "label", "--models", "gru,bilstm", "-o", str(folder), *TINY]
    assert run(monkeypatch, *arguments) == 0
    printed = capsys.readouterr()
    for expected in ("Contender", "gru", "bilstm", "without recurrence", "on shuffled words", "Majority class"):
        assert expected in printed.out
    assert "gru, seed 0 · " in printed.err
    assert "validation accuracy" in printed.err
    assert str(folder / "report.html") in printed.out
    assert run(monkeypatch, *arguments) == 1
    assert "exists already" in capsys.readouterr().err
    assert run(monkeypatch, *arguments, "--resume") == 0
    again = capsys.readouterr()
    assert "to go" not in again.err
    assert again.out == printed.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare"], "give the DATA"),
        (["compare", "x.csv", "--models", "transformer"], "write \\[bi\\]simple-rnn"),
        (["compare", "x.csv", "--models", "gru,gru"], "named twice"),
        (["compare", "x.csv", "--controls", "some"], "choose best, each or none"),
        (["compare", "x.csv", "--resume"], "--resume needs -o"),
    ],
)
def test_wrong_calls_are_usage_errors(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *arguments) == 2
    assert re.search(message, capsys.readouterr().err)


def test_ctrl_c_keeps_what_is_finished(tmp_path: Path) -> None:
    source, folder = write_corpus(tmp_path / "corpus.csv", copies=40), tmp_path / "run"
    command = [sys.executable, "-m", "sulsul", "compare", str(source), "--label=label", "--models=gru"]
    command += ["-o", str(folder), *TINY[2:], "--set=training.epochs=5000", "--set=training.patience=never"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, encoding="utf-8", env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    deadline = time.monotonic() + 60
    while not list((folder / "trials").glob("*.unfinished/checkpoint.safetensors")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"continue with -o {folder} --resume" in errors
    assert len(list((folder / "trials").glob("*.trial.json"))) == 3
    assert not (folder / "comparison.csv").exists()
