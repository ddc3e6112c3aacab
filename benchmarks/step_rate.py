"""Milliseconds per training step of sulsul itself, natively and with torch, and where the native time goes.

    python benchmarks/step_rate.py [--threads N] [--seconds S] [workload …]

Each workload is measured on texts of one length and on real ones. A round is a pass over the same batches; the two
runners take turns. Printed: median and range over the rounds, then the parts of the native step.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from problems import Lengths, write_problem
from sulsul.batching import EncodedCorpus
from sulsul.kernels import native
from sulsul.model import Classifier, DenseLayer, EmbeddingInput, ModelSpecification, OneHotInput, RecurrentLayer
from sulsul.training import TrainingSettings
from sulsul.training.native_step import NativeStep
from sulsul.training.objective import Objective
from sulsul.training.step import StepRunner, TorchStep
from workloads import WORKLOADS, Workload

LEARNING_RATE = 1e-3
BATCHES = 16


def make_classifier(workload: Workload, weights: dict[str, torch.Tensor]) -> Classifier:
    """Return the workload's network with its weights."""
    size = workload.embedding_size
    specification = ModelSpecification(
        input=OneHotInput() if size is None else EmbeddingInput(size=size),
        layers=tuple(
            RecurrentLayer(kind=layer.kind, units=layer.units, bidirectional=layer.bidirectional)
            for layer in workload.layers
        ),
        pooling="last",
        head=tuple(DenseLayer(units=units, activation=activation) for units, activation in workload.head),
    )
    classifier = Classifier(
        specification, vocabulary_size=workload.vocabulary_size, n_classes=workload.n_classes, backend="torch"
    )
    classifier.load_state_dict(weights)
    return classifier


class Rounds:
    """Steps of one runner, round after round."""

    def __init__(self, runner: StepRunner, corpus: EncodedCorpus, batch_size: int) -> None:
        n_batches = min(BATCHES, len(corpus) // batch_size)
        self.batches = [np.arange(i * batch_size, (i + 1) * batch_size) for i in range(n_batches)]
        self.seconds: list[float] = []
        self.step = 0
        self._runner = runner
        self._corpus = corpus

    def run(self, batches: list[npt.NDArray[np.int64]] | None = None) -> float:
        """Run a round, or some batches; return the seconds per step."""
        start = time.perf_counter()
        chosen = batches or self.batches
        for rows in chosen:
            self._runner.run(self._corpus, rows, learning_rate=LEARNING_RATE, step=self.step)
            self.step += 1
        return (time.perf_counter() - start) / len(chosen)


def measure(workload: Workload, lengths: Lengths, seconds: float) -> None:
    """Print one row, and the parts of the native step below it."""
    with tempfile.TemporaryDirectory() as folder:
        problem = write_problem(Path(folder), workload, lengths)
        with np.load(problem.folder / "texts.npz") as arrays:
            corpus = EncodedCorpus(arrays["token_ids"], arrays["offsets"], arrays["class_ids"])
        with np.load(problem.folder / "weights.npz") as arrays:
            weights = {name: torch.from_numpy(array) for name, array in arrays.items()}
    settings = TrainingSettings(optimizer=workload.optimizer, learning_rate=LEARNING_RATE)
    network, reference = make_classifier(workload, weights), make_classifier(workload, weights)
    step = NativeStep(network, settings)
    ours = Rounds(step, corpus, workload.batch_size)
    theirs = Rounds(TorchStep(reference, Objective(reference.output_kind), settings), corpus, workload.batch_size)
    for rounds in (ours, theirs):
        rounds.run(rounds.batches[:2])
    times = step.times()
    while sum(ours.seconds) * len(ours.batches) < seconds:
        ours.seconds.append(ours.run())
    parts = {name: (value - times[name]) / (ours.step - 2) for name, value in step.times().items()}
    theirs.seconds = [theirs.run([rows]) for rows in _turns(theirs.batches, seconds)]
    ratio = statistics.median(theirs.seconds) / statistics.median(ours.seconds)
    print(f"{workload.name:10} {lengths:6}{_milliseconds(ours.seconds)}{_milliseconds(theirs.seconds)}{ratio:8.1f}x")
    print(" " * 17 + "  ".join(f"{name} {value * 1e3:.4f}" for name, value in parts.items()), flush=True)


def _turns(batches: list[npt.NDArray[np.int64]], seconds: float) -> Iterator[npt.NDArray[np.int64]]:
    end = time.perf_counter() + seconds
    for turn in range(10_000):
        if turn >= 4 and time.perf_counter() > end:
            return
        yield batches[turn % len(batches)]


def _milliseconds(seconds: list[float]) -> str:
    low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
    return f"{middle * 1e3:11.4f} ({low * 1e3:.4f} … {high * 1e3:.4f})"


def main() -> None:
    """Measure the workloads named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", choices=[[], *WORKLOADS])
    parser.add_argument("--threads", type=int, default=native.thread_count())
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    native.set_thread_count(arguments.threads)
    print(f"{arguments.threads} threads, {native.active_instruction_set()}; ms per step: median (range)")
    print(f"{'':17}{'native':>30}{'torch':>30}")
    for name in arguments.workloads or WORKLOADS:
        for lengths in ("dense", "real"):
            measure(WORKLOADS[name], lengths, arguments.seconds)


if __name__ == "__main__":
    main()
