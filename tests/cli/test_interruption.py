"""Signals, full disks and kills that hit `sulsul train`: what it says, how it exits, and what is left."""

import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.cli.test_commands import run
from tests.trained import tiny_specification, write_corpus

from sulsul.errors import OutputError
from sulsul.experiment import Listener, run_experiment
from sulsul.training import train_classifier
from sulsul.training.checkpoint import CHECKPOINT_NAME, load_checkpoint
from sulsul.training.progress import TrainingProgress
from sulsul.training.run import BatchReport

SETTINGS = ["model.units=3", "training.threads=1", "training.epochs=3", "training.batch_size=8", "text.tokenizer=word"]


def train(source: Path, folder: Path, *options: str) -> list[str]:
    chosen = [part for setting in SETTINGS for part in ("--set", setting)]
    return ["train", str(source), "--label", "label", "--no-baselines", "-o", str(folder), *chosen, *options]


def signal_in_epoch(monkeypatch: pytest.MonkeyPatch, number: signal.Signals, epoch: int) -> None:
    def on_batch(self: TrainingProgress, report: BatchReport) -> None:
        if (report.epoch, report.batch) == (epoch, 2):
            signal.raise_signal(number)

    # After every step, small as they are here.
    monkeypatch.setitem(train_classifier.__kwdefaults__, "poll_interval_s", 0.0)
    monkeypatch.setattr(TrainingProgress, "on_batch", on_batch)


@pytest.mark.parametrize("epoch", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_says_so_and_exits_130(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    number: signal.Signals,
    epoch: int,
) -> None:
    source, folder = write_corpus(tmp_path / "corpus.csv"), tmp_path / "run"
    with monkeypatch.context() as patched:
        signal_in_epoch(patched, number, epoch)
        assert run(patched, *train(source, folder)) == 130
    said = capfd.readouterr().err
    assert "saving the state" in said
    assert f"-o {folder} --resume" in said
    assert load_checkpoint(folder / CHECKPOINT_NAME).header.position.epoch == epoch
    assert (folder / "config.json").exists() == (epoch == 2)
    assert run(monkeypatch, *train(source, folder, "--resume")) == 0
    assert run(monkeypatch, *train(source, tmp_path / "whole")) == 0
    assert (folder / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()
    assert not (folder / CHECKPOINT_NAME).exists()


def test_a_run_killed_before_its_first_checkpoint_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    source, folder = write_corpus(tmp_path / "corpus.csv"), tmp_path / "run"
    folder.mkdir()
    (folder / ".specification.toml.abc.tmp").write_text("half", encoding="utf-8")
    assert run(monkeypatch, *train(source, folder, "--resume")) == 0
    assert not list(folder.glob(".*"))
    assert run(monkeypatch, *train(source, folder, "--resume")) == 1
    assert "it is finished" in capfd.readouterr().err
    assert run(monkeypatch, *train(source, tmp_path / "absent", "--resume")) == 1
    assert "leave --resume out" in capfd.readouterr().err
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "letter.txt").write_text("mine", encoding="utf-8")
    assert run(monkeypatch, *train(source, foreign, "--resume")) == 1
    assert "holds no checkpoint" in capfd.readouterr().err
    assert (foreign / "letter.txt").read_text(encoding="utf-8") == "mine"


@pytest.fixture
def file_size_limit() -> Iterator[Callable[[int], None]]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def full_after_epoch_1(source: Path, folder: Path, fill: Callable[[], object]) -> None:
    """Train until the disk is full, see that the first epoch's state is kept, and that it goes on afterwards."""
    specification = tiny_specification(source, training={"epochs": 3, "batch_size": 8})
    kept: list[bytes] = []

    def on_epoch(record: object) -> None:
        if not kept:
            kept.append((folder / CHECKPOINT_NAME).read_bytes())
            fill()

    listener = Listener(on_epoch=on_epoch)
    with pytest.raises(OutputError, match=rf"{CHECKPOINT_NAME} cannot be written: (the disk is full|it would be)"):
        run_experiment(specification, folder, command="c", baselines=False, listener=listener)
    assert (folder / CHECKPOINT_NAME).read_bytes() == kept[0]
    assert not list(folder.glob(".*"))


def test_a_file_that_may_not_grow_leaves_the_last_checkpoint(
    tmp_path: Path, file_size_limit: Callable[[int], None]
) -> None:
    source = write_corpus(tmp_path / "corpus.csv")
    full_after_epoch_1(source, tmp_path / "run", lambda: file_size_limit(2000))
    file_size_limit(resource.RLIM_INFINITY)
    specification = tiny_specification(source, training={"epochs": 3, "batch_size": 8})
    outcome = run_experiment(specification, tmp_path / "run", command="c", baselines=False, resume=True)
    assert outcome.record.training is not None
    assert outcome.record.training.stopped == "finished"


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a file system of one's own needs root")
    try:

        def fill() -> None:
            with (disk / "other").open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(bytes(4096))

        full_after_epoch_1(write_corpus(tmp_path / "corpus.csv"), disk / "run", fill)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
