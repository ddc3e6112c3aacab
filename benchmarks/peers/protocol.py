"""How a peer's process answers: one JSON object per line, a call in, a value or an error out.

Runs in every peer's own environment: the standard library and NumPy only.
"""

import gc
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from workloads import Workload


class Texts:
    """The texts of a problem: ids, lengths and classes.

    Attributes
    ----------
    sequences : list of int32 (T_b,)
    lengths : int64 (B,)
    class_ids : int64 (B,)
    """

    def __init__(self, folder: Path) -> None:
        with np.load(folder / "texts.npz") as arrays:
            self.token_ids, self.offsets = arrays["token_ids"], arrays["offsets"]
            self.class_ids = arrays["class_ids"]
        self.lengths = np.diff(self.offsets)
        self.sequences = [self.token_ids[a:b] for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True)]

    def padded(self, n_timesteps: int) -> np.ndarray:
        """Return the ids (B, T) with zeros behind."""
        table = np.zeros((len(self.sequences), n_timesteps), np.int32)
        for row, sequence in zip(table, self.sequences, strict=True):
            row[: len(sequence)] = sequence
        return table


class Peer(Protocol):
    """What every peer can be asked; built from a workload, its texts and its weights."""

    def train_epoch(self) -> float:
        """Train on every batch once, in order; return the seconds it took as a user of the library sees them."""

    def probabilities(self, n: int) -> np.ndarray:
        """Return the class probabilities (n, C) of the first texts; C is 1 for two classes."""

    def infer(self, batch_size: int, n: int) -> float:
        """Compute probabilities of the first texts in batches; return the seconds it took."""


Build = Callable[[Workload, Texts, dict[str, np.ndarray], dict[str, Any]], Peer]


def serve(build: Build, versions: Callable[[], dict[str, str]], **more: Callable[[], Any]) -> None:
    """Answer calls on standard input until it ends; ``more`` are calls that only this peer knows."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not reach the answers
    session = _Session(build)
    vars(session).update(more, versions=versions)
    for line in sys.stdin:
        call = json.loads(line)
        try:
            value = getattr(session, call.pop("call"))(**call)
            answer = {"value": value}
        except Exception:
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class _Session:
    def __init__(self, build: Build) -> None:
        self._build = build

    def load(self, folder: str, options: dict[str, Any]) -> None:
        path = Path(folder)
        workload = Workload.from_json(json.loads((path / "problem.json").read_text()))
        with np.load(path / "weights.npz") as arrays:
            weights = dict(arrays)
        self._peer = None
        gc.collect()
        self._peer = self._build(workload, Texts(path), weights, options)
        self._n_batches = workload.n_batches

    def train_epoch(self) -> float:
        return self._peer.train_epoch()

    def probabilities(self, n: int, path: str) -> None:
        np.save(path, self._peer.probabilities(n))

    def infer(self, batch_size: int, n: int) -> float:
        return self._peer.infer(batch_size, n)

    def peak_training_memory(self) -> int:
        """Return the bytes by which training raises the peak resident size above what the process held before it."""
        gc.collect()
        before = _status_bytes("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak to the present size
        self._peer.train_epoch()
        return max(_status_bytes("VmHWM") - before, 0)

    def processor_seconds(self) -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime


def _status_bytes(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {key}")


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
