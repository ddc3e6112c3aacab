"""Measurements: equal outputs first, then peers in turn, then medians."""

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from peer_process import PEERS, PeerPool, PeerProcess
from problems import Lengths, Problem, write_problem
from workloads import Workload

CACHE = Path(__file__).with_name(".cache")
N_COMPARED = 32
# Three tanh layers over 500 timesteps: TensorFlow differs from sulsul, JAX and torch by 4.6e-5 there.
OUTPUT_TOLERANCE = 1e-4
"""Largest difference of probabilities: float32 sums in another order, over up to 4,000 timesteps and 3 layers."""


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    minimum_s: float


@dataclass(frozen=True)
class Timing:
    """Median and spread of repeated measurements, in seconds."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: list[float]) -> "Timing":
        """Summarise the values: median, minimum, maximum."""
        return cls(statistics.median(values), min(values), max(values), len(values))

    def to_json(self) -> dict[str, float]:
        """Return plain values."""
        return {"median": self.median, "low": self.low, "high": self.high, "n": self.n}


class UnequalOutputError(Exception):
    """A peer computes other probabilities from the same weights and texts."""


def make_problems(workload: Workload, lengths: Lengths) -> tuple[Problem, Problem]:
    """Return the problem and the same with PAD tokens written into every text up to T."""
    problem = write_problem(CACHE / f"{workload.name}-{lengths}", workload, lengths)
    padded = CACHE / f"{workload.name}-{lengths}-padded"
    padded.mkdir(exist_ok=True)
    for name in ("problem.json", "weights.npz"):
        (padded / name).write_bytes((problem.folder / name).read_bytes())
    with np.load(problem.folder / "texts.npz") as arrays:
        n_texts = len(arrays["offsets"]) - 1
        table = np.zeros((n_texts, workload.n_timesteps), np.int32)
        for row, start, end in zip(table, arrays["offsets"][:-1], arrays["offsets"][1:], strict=True):
            row[: end - start] = arrays["token_ids"][start:end]
        offsets = np.arange(n_texts + 1, dtype=np.int64) * workload.n_timesteps
        np.savez(padded / "texts.npz", token_ids=table.ravel(), offsets=offsets, class_ids=arrays["class_ids"])
    return problem, Problem(padded, float(workload.n_timesteps), problem.source)


def load_equal_peers(
    pool: PeerPool, names: Iterable[str], workload: Workload, lengths: Lengths
) -> tuple[dict[str, PeerProcess], Problem]:
    """Load a problem into peers and make sure that they compute the same probabilities as sulsul.

    Raises
    ------
    UnequalOutputError
        If one does not.
    """
    problem, padded = make_problems(workload, lengths)
    n = min(N_COMPARED, workload.batch_size)
    expected = {}
    reference = pool.get("sulsul")
    for is_padded, version in ((True, padded), (False, problem)):
        reference.load(version.folder)
        expected[is_padded] = reference.probabilities(n)
    processes = {}
    for name in names:
        processes[name] = pool.get(name)
        processes[name].load(problem.folder)
        is_padded = PEERS[name].padded
        difference = np.abs(processes[name].probabilities(n) - expected[is_padded]).max()
        if not difference <= OUTPUT_TOLERANCE:
            raise UnequalOutputError(
                f"{PEERS[name].label} on {workload.name}, {lengths}: probabilities differ by {difference}"
            )
    return processes, problem


def alternate(measures: dict[str, Callable[[], float]], effort: Effort) -> dict[str, Timing]:
    """Measure every peer once per round, in turn, after one call to warm up.

    A call that takes less than ``effort.minimum_s`` is repeated within its turn, and the turn counts as their mean.
    """
    repeats = {}
    for name, measure in measures.items():
        measure()
        start = time.perf_counter()
        measure()
        repeats[name] = max(1, round(effort.minimum_s / (time.perf_counter() - start)))
    values: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(effort.rounds):
        for name, measure in measures.items():
            values[name].append(statistics.fmean(measure() for _ in range(repeats[name])))
    return {name: Timing.of(measured) for name, measured in values.items()}


def measure_training(
    pool: PeerPool, workload: Workload, lengths: Lengths, names: list[str], effort: Effort
) -> dict[str, Any]:
    """Return the seconds per training step of each peer."""
    processes, problem = load_equal_peers(pool, names, workload, lengths)
    measures = {name: _per_step(process, workload.n_batches) for name, process in processes.items()}
    return _measure(processes, problem, measures, effort)


def measure_inference(
    pool: PeerPool, workload: Workload, batch_size: int, names: list[str], effort: Effort
) -> dict[str, Any]:
    """Return the seconds per text of each peer on texts of real lengths."""
    n = min(workload.n_batches * workload.batch_size, max(64, 2 * batch_size))
    processes, problem = load_equal_peers(pool, names, workload, "real")
    measures = {name: _per_text(process, batch_size, n) for name, process in processes.items()}
    return _measure(processes, problem, measures, effort)


def _measure(
    processes: dict[str, PeerProcess], problem: Problem, measures: dict[str, Callable[[], float]], effort: Effort
) -> dict[str, Any]:
    timings = alternate(measures, effort)
    return {
        "timings": {name: timing.to_json() for name, timing in timings.items()},
        "mean_length": problem.mean_length,
        "source": problem.source,
        "versions": {name: process.call("versions") for name, process in processes.items()},
    }


def measure_product_rate(*, threads: int) -> float:
    """Return the floating-point operations per second of a large float32 matrix product, torch's, best of several."""
    with PeerProcess(PEERS["sulsul"], threads) as process:
        return process.call("product_rate")


def _per_step(process: PeerProcess, n_batches: int) -> Callable[[], float]:
    return lambda: process.call("train_epoch") / n_batches


def _per_text(process: PeerProcess, batch_size: int, n: int) -> Callable[[], float]:
    return lambda: process.call("infer", batch_size=batch_size, n=n) / n


def measure_memory(workload: Workload, lengths: Lengths, names: list[str], *, threads: int) -> dict[str, Any]:
    """Return the bytes by which a training step raises each peer's peak resident size.

    Each peer runs alone in a fresh process; what its first steps compile and allocate once counts too.
    """
    problem, _ = make_problems(workload, lengths)
    peaks = {}
    for name in names:
        with PeerProcess(PEERS[name], threads) as process:
            process.load(problem.folder)
            peaks[name] = process.call("peak_training_memory")
    return {"bytes": peaks, "mean_length": problem.mean_length, "source": problem.source}
