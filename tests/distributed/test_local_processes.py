"""``train --workers``, and the same processes started by torchrun."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.numpy import load_file
from tests.tolerances import PARALLEL_TRAJECTORY
from tests.trained import write_corpus

from sulsul.distributed.joining import join_workers
from sulsul.errors import UsageError

LONG = ["--set", "training.epochs=100000", "--set", "training.patience=never"]
SETTINGS = [
    "--text",
    "text",
    "--label",
    "label",
    "--no-baselines",
    "--set",
    "split.test=0.25",
    "--set",
    "split.validation=0.25",
    "--set",
    "training.epochs=2",
    "--set",
    "model.units=3",
    "--set",
    "model.input.size=4",
    "--set",
    "training.seed=3",
    "--set",
    "training.token_dropout=0.2",
]


TRAIN = ["-m", "sulsul", "train", "corpus.csv", *SETTINGS, "-o"]


def python(*arguments: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def assert_same_model(one: Path, other: Path) -> None:
    weights, others = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert weights.keys() == others.keys()
    for name, array in weights.items():
        assert abs(array - others[name]).max() < PARALLEL_TRAJECTORY, name


def test_processes_of_our_own_and_of_torchrun_leave_what_one_process_leaves(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus.csv")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    started = [
        python(*TRAIN, "one", folder=tmp_path),
        python(*TRAIN, "two", "--workers", "2", folder=tmp_path),
        python(*torchrun, *TRAIN, "torchrun", folder=tmp_path),
    ]
    for process in started:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert_same_model(tmp_path / "one", tmp_path / "two")
    assert_same_model(tmp_path / "one", tmp_path / "torchrun")
    names = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("one", "two", "torchrun")]
    assert names[0] == names[1] == names[2]


def helper_of(process: "subprocess.Popen[str]") -> int:
    """Return the id of the only child of a process, once it is there."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not (found := children.read_text().split()):
        assert process.poll() is None
        time.sleep(0.05)
    return int(found[0])


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


def test_a_killed_helper_ends_the_run_with_a_reason_and_a_signal_saves_it(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus.csv")
    long = [*TRAIN, "run", *LONG, "--workers", "2"]
    process = python(*long, folder=tmp_path)
    wait_for(tmp_path / "run" / "checkpoint.safetensors", process)
    os.kill(helper_of(process), signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(r"sulsul: a worker was lost .*--resume.* Worker 1 said: it ended with code -9", errors)
    before = (tmp_path / "run" / "checkpoint.safetensors").stat().st_mtime_ns
    resumed = python(*long, "--resume", folder=tmp_path)
    while (tmp_path / "run" / "checkpoint.safetensors").stat().st_mtime_ns == before:
        assert resumed.poll() is None, resumed.communicate()[1]
        time.sleep(0.05)
    resumed.send_signal(signal.SIGTERM)
    _, errors = resumed.communicate(timeout=60)
    assert resumed.returncode == 130, errors
    assert "--resume" in errors


def test_torchrun_and_workers_are_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="leave --workers out"):
        join_workers(2, [])


def test_one_worker_is_no_other_thing_than_none() -> None:
    with join_workers(1, []) as workers:
        assert workers is None
