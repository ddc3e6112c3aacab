import io
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from tests.trained import write_corpus

from sulsul.cli import main
from sulsul.recipes import recipe_names


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["sulsul", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    code = caught.value.code
    return code if isinstance(code, int) else 0


TINY = [
    "--set",
    "model.units=3",
    "--set",
    "training.epochs=1",
    "--set",
    "training.threads=1",
    "--set",
    "text.tokenizer=word",
]


def test_train_then_predict_from_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_corpus(tmp_path / "corpus.csv")
    folder = tmp_path / "run"
    assert run(monkeypatch, "train", str(source), "--label", "label", "-o", str(folder), *TINY) == 0
    printed = capsys.readouterr()
    assert "Majority class" in printed.out
    assert str(folder) in printed.out
    assert "epoch 1/1" in printed.err
    done = subprocess.run(
        [sys.executable, "-m", "sulsul", "predict", str(folder), "-s", "정말 좋았다", "-s", ""],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "row,label,probability,p(bad),p(good)"
    assert len(lines) == 3


def test_predictions_of_a_file_carry_the_id_column(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "predictions.csv"
    arguments = ["predict", str(finished_run / "run"), str(finished_run / "corpus.csv"), "--id", "id"]
    assert run(monkeypatch, *arguments, "-o", str(output)) == 0
    table = pl.read_csv(output)
    assert table.columns == ["row", "id", "label", "probability", "p(bad)", "p(good)"]
    assert table["id"].to_list() == pl.read_csv(finished_run / "corpus.csv")["id"].to_list()
    assert (table["p(bad)"] + table["p(good)"]).is_between(0.99999, 1.00001).all()
    jsonl = tmp_path / "predictions.jsonl"
    assert run(monkeypatch, *arguments, "-o", str(jsonl)) == 0
    rows = [json.loads(line) for line in jsonl.read_text(encoding="utf-8").splitlines()]
    assert [row["label"] for row in rows] == table["label"].to_list()


def test_standard_input_is_a_text_a_line(
    finished_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = io.TextIOWrapper(io.BytesIO("좋았다\n\n나빴다\n".encode()))
    monkeypatch.setattr(sys, "stdin", lines)
    assert run(monkeypatch, "predict", str(finished_run / "run"), "-") == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_evaluate_prints_and_writes_its_report(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "evaluation"
    arguments = ["evaluate", str(finished_run / "run"), str(finished_run / "corpus.csv"), "-o", str(output)]
    assert run(monkeypatch, *arguments) == 0
    assert "Confusion" in capsys.readouterr().out
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["evaluations"]["data"]["n"] == 80
    assert [finding["check"] for finding in metrics["findings"]] == ["evaluated-on-training-data"]
    assert run(monkeypatch, *arguments) == 1


def test_recipes_are_listed_and_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "recipe", "list") == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in recipe_names())
    assert run(monkeypatch, "recipe", "show", "seoul-bigru") == 0
    assert 'kind = "gru"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train", "{missing}.csv"], 1, "no such"),
        (["train", "{corpus}", "--text", "nothing"], 1, "'id', 'text', 'label'"),
        (["train", "{corpus}", "--recipe", "nothing"], 1, "seoul-bigru"),
        (["train", "{corpus}", "--set", "model.units=-1"], 1, "model.layers.0"),
        (["train", "{corpus}", "--set", "training.nothing=1"], 1, "training.nothing is not a known setting"),
        (["train", "{corpus}", "--set", "model.output=softmax", "--keep-classes", "good"], 1, "good"),
        (["train"], 2, "DATA"),
        (["train", "{corpus}", "--recipe", "a", "--spec", "b"], 2, "not both"),
        (["train", "{corpus}", "--resume"], 2, "-o RUN"),
        (["train", "{corpus}", "-o", "{corpus}"], 1, "exists already"),
        (["predict", "{corpus}", "-s", "x"], 1, "a trained classifier is a folder"),
        (["predict", "{run}"], 2, "give the texts once"),
        (["predict", "{run}", "-s", "x", "--format", "xml"], 2, "csv or jsonl"),
        (["predict", "{run}", "{missing}.csv"], 1, "no such"),
        (["evaluate", "{run}", "{corpus}", "--label", "id"], 1, "row 1"),
    ],
)
def test_bad_input_is_answered_with_a_message(
    arguments: list[str],
    code: int,
    words: str,
    finished_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"corpus": finished_run / "corpus.csv", "run": finished_run / "run", "missing": tmp_path / "missing"}
    assert run(monkeypatch, *(argument.format(**places) for argument in arguments)) == code
    printed = capsys.readouterr()
    assert words in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named_and_nothing_is_left(
    finished_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    import errno
    import os

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    output = finished_run / "never.csv"
    assert run(monkeypatch, "predict", str(finished_run / "run"), "-s", "x", "-o", str(output)) == 1
    assert "disk is full" in capsys.readouterr().err
    assert not output.exists()
    assert not list(finished_run.glob(".never*"))


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; sys.argv = ['sulsul', '--help']\n"
        "from sulsul.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'polars', 'sklearn', 'pydantic', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout
