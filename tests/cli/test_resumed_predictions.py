"""`sulsul predict -o FILE --resume`: killed at any moment, it ends with the file of one uninterrupted run."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from tests.cli.test_commands import run
from tests.trained import tiny_run

import sulsul.predictions
import sulsul.resumable_output
from sulsul.resumable_output import journal_path, partial_path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    tiny_run(folder)
    return folder / "run"


def write_texts(path: Path, n_rows: int) -> Path:
    lines = (f't{row},"{"정말 좋았다" if row % 3 else "rude, slow"} {row}"\n' for row in range(n_rows))
    path.write_text("id,text\n" + "".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def every_block_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sulsul.resumable_output, "SAVE_INTERVAL_S", 0.0)
    monkeypatch.setattr(sulsul.predictions, "_BLOCK_ROWS", 16)


class Stopped(KeyboardInterrupt):
    """What a test raises in the middle of a run."""


def stop_after(monkeypatch: pytest.MonkeyPatch, n_blocks: int) -> None:
    """Interrupt the run in the block after so many."""
    predict_block, counted = sulsul.predictions._predict_block, iter(range(n_blocks))

    def stopping(predictor, corpus):  # type: ignore[no-untyped-def]
        rows = predict_block(predictor, corpus)
        if next(counted, None) is None:
            raise Stopped
        return rows

    monkeypatch.setattr(sulsul.predictions, "_predict_block", stopping)


def predict(bundle: Path, source: Path, output: Path, *options: str) -> list[str]:
    return ["predict", str(bundle), str(source), "--id", "id", "-o", str(output), *options]


@pytest.mark.usefixtures("every_block_is_saved")
@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
@pytest.mark.parametrize("n_blocks", [1, 4, 6])
def test_a_stopped_run_goes_on_where_it_stood(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: str,
    n_blocks: int,
) -> None:
    source, output = write_texts(tmp_path / "texts.csv", 100), tmp_path / name
    assert run(monkeypatch, *predict(bundle, source, tmp_path / f"whole-{name}")) == 0
    with monkeypatch.context() as patched:
        stop_after(patched, n_blocks)
        assert run(patched, *predict(bundle, source, output)) == 130
    assert "--resume" in capfd.readouterr().err
    assert not output.exists()
    assert json.loads(journal_path(output).read_text(encoding="utf-8"))["position"]["row"] == 16 * n_blocks
    with partial_path(output).open("ab") as file:
        file.write(b"half a li")
    assert run(monkeypatch, *predict(bundle, source, output)) == 1
    assert "add --resume" in capfd.readouterr().err
    answered = []
    predict_block = sulsul.predictions._predict_block
    with monkeypatch.context() as patched:
        patched.setattr(
            sulsul.predictions, "_predict_block", lambda *given: answered.append(len(given[1])) or predict_block(*given)
        )
        assert run(patched, *predict(bundle, source, output, "--resume")) == 0
    assert sum(answered) == 100 - 16 * n_blocks
    assert output.read_bytes() == (tmp_path / f"whole-{name}").read_bytes()
    assert not partial_path(output).exists()
    assert not journal_path(output).exists()


@pytest.mark.usefixtures("every_block_is_saved")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("source", "not those that were answered"),
        ("shorter source", "not those that were answered"),
        ("options", "with another classifier, version or other options"),
        ("partial", "is shorter than when it was left"),
        ("journal", "is damaged"),
    ],
)
def test_what_does_not_fit_is_not_resumed(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    change: str,
    message: str,
) -> None:
    source, output = write_texts(tmp_path / "texts.csv", 100), tmp_path / "out.csv"
    with monkeypatch.context() as patched:
        stop_after(patched, 3)
        run(patched, *predict(bundle, source, output))
    options = ["--resume"]
    if change == "source":
        source.write_text(source.read_text(encoding="utf-8").replace("rude", "good", 1), encoding="utf-8")
    elif change == "shorter source":
        write_texts(source, 20)
    elif change == "options":
        options += ["--format", "jsonl"]
    elif change == "partial":
        partial_path(output).write_bytes(b"row")
    else:
        journal_path(output).write_text("{", encoding="utf-8")
    assert run(monkeypatch, *predict(bundle, source, output, *options)) == 1
    assert message in capfd.readouterr().err
    assert not output.exists()
    assert partial_path(output).exists()


@pytest.mark.usefixtures("every_block_is_saved")
def test_rows_added_behind_those_answered_are_answered_too(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = write_texts(tmp_path / "texts.csv", 64), tmp_path / "out.csv"
    with monkeypatch.context() as patched:
        stop_after(patched, 2)
        run(patched, *predict(bundle, source, output))
    write_texts(source, 90)
    assert run(monkeypatch, *predict(bundle, source, output, "--resume")) == 0
    assert len(output.read_text(encoding="utf-8").splitlines()) == 91


@pytest.mark.usefixtures("every_block_is_saved")
def test_a_folder_of_parquet_files_goes_on_in_the_middle(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = pl.read_csv(write_texts(tmp_path / "texts.csv", 100))
    (tmp_path / "parts").mkdir()
    for number, start in enumerate((0, 40, 41)):
        rows = texts.slice(start, (40, 1, 59)[number])
        rows.write_parquet(tmp_path / "parts" / f"{number}.parquet")
    output, whole = tmp_path / "out.csv", tmp_path / "whole.csv"
    assert run(monkeypatch, *predict(bundle, tmp_path / "texts.csv", whole)) == 0
    with monkeypatch.context() as patched:
        stop_after(patched, 4)
        assert run(patched, *predict(bundle, tmp_path / "parts", output)) == 130
    assert run(monkeypatch, *predict(bundle, tmp_path / "parts", output, "--resume")) == 0
    assert output.read_bytes() == whole.read_bytes()


def test_resuming_nothing_begins(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, output = write_texts(tmp_path / "texts.csv", 5), tmp_path / "out.csv"
    assert run(monkeypatch, *predict(bundle, source, output, "--resume")) == 0
    assert len(output.read_text(encoding="utf-8").splitlines()) == 6


def test_an_output_that_another_process_writes_is_refused(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    source, output = write_texts(tmp_path / "texts.csv", 5), tmp_path / "out.csv"
    with sulsul.resumable_output.resumable_output(output, "task", sulsul.predictions.ReachedRow, resume=False):
        assert run(monkeypatch, *predict(bundle, source, output)) == 1
        assert "by another process" in capfd.readouterr().err
        assert partial_path(output).exists()


def test_standard_input_cannot_be_resumed(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "predict", str(bundle), "-", "-o", str(tmp_path / "out.csv"), "--resume") == 2
    assert run(monkeypatch, "predict", str(bundle), "-s", "text", "--resume") == 2


_KILLED = """
import sys
import sulsul.predictions, sulsul.resumable_output
from sulsul.cli import main
sulsul.resumable_output.SAVE_INTERVAL_S = 0.0
sulsul.predictions._BLOCK_ROWS = 64
main()
"""


def test_a_killed_process_is_resumed_to_the_same_bytes(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output, whole = write_texts(tmp_path / "texts.csv", 8_000), tmp_path / "out.csv", tmp_path / "whole.csv"
    monkeypatch.setattr(sulsul.predictions, "_BLOCK_ROWS", 64)
    assert run(monkeypatch, *predict(bundle, source, whole)) == 0
    reached = 0
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", _KILLED, *predict(bundle, source, output, "--resume")])
        # Killed when it has written some more, at a moment it does not choose.
        while process.poll() is None and _size(partial_path(output)) < reached + 50_000:
            time.sleep(0.001)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        reached = _size(partial_path(output))
    assert not output.exists()
    assert run(monkeypatch, *predict(bundle, source, output, "--resume")) == 0
    assert output.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "texts.csv", "whole.csv"]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
