"""What training on many cores would cost: the measured figures that docs/scaling.md starts from, and its model.

    python benchmarks/scaling.py DATA [--text COL] [--label COL] [--texts N] [--gigabits G] [--latency-us L]

Measured here, on one core, in processor time: a worker's gradient of 32 texts, the update, what it takes to put a
message together, and the rows of the embedding that batches of 32 N texts touch. Modelled: the messages between N
workers, summed around a ring as gloo does it.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sulsul.batching import BatchSampler, EncodedCorpus, part_of_batch
from sulsul.fitting import build_classifier
from sulsul.kernels import native
from sulsul.preparation import prepare
from sulsul.recipes import load_recipe
from sulsul.specification import RunSpecification
from sulsul.training.separable_step import SeparableNativeStep

BATCH = 32
SHARED = 8
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
VARIANTS: dict[str, tuple[str, ...]] = {
    "default (n-grams, lazy)": (),
    "words, dense": (
        "text.ngrams=none",
        "model.input.kind=embedding",
        "training.lazy_embedding=false",
    ),
    "characters": ("text.tokenizer=char", "text.vocabulary_size=4000", "training.lazy_embedding=false"),
}


@dataclass(frozen=True)
class Network:
    """How fast the links between workers are."""

    bytes_per_s: float
    latency_s: float

    def all_reduce_s(self, n_bytes: float, n_workers: int) -> float:
        """Return the time of a ring: 2 (N - 1) messages of a share each.

        Neighbours in the ring sit on one machine where they can, so that a link carries one of them at a time.
        """
        steps = 2 * (n_workers - 1)
        return steps * self.latency_s + steps * n_bytes / n_workers / self.bytes_per_s


@dataclass(frozen=True)
class Costs:
    """What was measured of one network; seconds of one core."""

    gradient_s: float
    update_s_per_value: float
    pack_s_per_value: float
    n_dense: int
    n_rows: int
    row_size: int
    rows_of: dict[int, float]
    n_texts: int

    def n_values(self, n_batches: int) -> float:
        """Return how many gradients the message of a step on so many times 32 texts holds."""
        return self.n_dense + self.rows_of[n_batches] * self.row_size

    def step_s(self, network: Network, n_workers: int, n_batches: int | None = None) -> float:
        """Return the time of a step of ``n_workers`` on so many times 32 texts; None: as many as workers."""
        n_batches = n_batches or n_workers
        n_values = self.n_values(n_batches)
        alone = self.gradient_s * n_batches / n_workers + n_values * self.update_s_per_value
        if n_workers == 1:
            return alone
        marks_s = network.all_reduce_s(self.n_rows, n_workers) if self.row_size else 0.0
        return alone + n_values * self.pack_s_per_value + marks_s + network.all_reduce_s(4 * n_values, n_workers)


def processor_s(repeat: int, run: Callable[[int], object]) -> float:
    """Return the processor time of one of several runs: the least of five rounds."""
    rounds = []
    for _ in range(5):
        start = time.process_time()
        for i in range(repeat):
            run(i)
        rounds.append((time.process_time() - start) / repeat)
    return float(np.min(rounds))


def measure(specification: RunSpecification) -> Costs:
    """Measure a network on the training texts of a specification."""
    data = prepare(specification)
    texts, settings = data.train.encoded, specification.training
    classifier = build_classifier(specification, data)
    step = SeparableNativeStep(classifier, settings)
    rng = np.random.default_rng(0)
    sampler = BatchSampler(texts.lengths, BATCH, seed=0, bucket=settings.bucket)
    batches = sampler.epoch(1)[:60]

    def differentiate(i: int) -> None:
        step.differentiate(texts, part_of_batch(texts.offsets, batches[i % len(batches)], 0, 1), step=i)

    differentiate(0)
    gradient_s = processor_s(len(batches), differentiate)
    table = step.own.views["input.weight"]
    lazy = settings.lazy_embedding
    rows = step.touched_rows() if lazy else None
    n_updated = step.own.flat.numel() - (table.numel() - len(rows) * table.shape[1] if rows is not None else 0)
    update_s = processor_s(20, lambda i: step.update(learning_rate=1e-3, step=i, rows=rows))
    flat = step.own.flat if rows is None else table

    def pack(i: int) -> None:
        if rows is None:
            step.summed.flat.copy_(flat * 0.5)
        else:
            step.summed.views["input.weight"][rows] = table.index_select(0, rows) * 0.5

    pack_s = processor_s(20, pack)
    n_packed = flat.numel() if rows is None else len(rows) * table.shape[1]
    return Costs(
        gradient_s=gradient_s,
        update_s_per_value=update_s / n_updated,
        pack_s_per_value=pack_s / n_packed,
        n_dense=step.own.flat.numel() - (table.numel() if lazy else 0),
        n_rows=table.shape[0],
        row_size=table.shape[1] if lazy else 0,
        rows_of={n: _rows_touched(texts, n * BATCH, rng) if lazy else 0.0 for n in WORKERS},
        n_texts=len(texts),
    )


def _rows_touched(texts: EncodedCorpus, n_texts: int, rng: np.random.Generator) -> float:
    """Return how many rows of the table a batch of so many texts touches; the mean of three draws."""
    counts = []
    for _ in range(3):
        chosen = texts.select(rng.permutation(len(texts))[:n_texts])
        met = np.unique(chosen.token_ids)
        counts.append(len(met if texts.types is None else np.unique(texts.types.select(met).part_ids)))
    return float(np.mean(counts))


def print_costs(name: str, costs: Costs, network: Network) -> None:
    """Print what was measured, and the model's table."""
    print(
        f"\n{name}: gradient of {BATCH} texts {costs.gradient_s * 1e3:.2f} ms, {BATCH / costs.gradient_s:,.0f} texts/s"
    )
    print(
        f"  update {costs.update_s_per_value * 1e9:.2f} ns and packing {costs.pack_s_per_value * 1e9:.2f} ns a value; "
        f"{costs.n_dense:,} values always, {costs.n_rows:,} rows of {costs.row_size}"
    )
    print("  workers     rows  message MB   step ms  texts/s   efficiency; * too few texts: rows of all of them")
    alone = costs.step_s(network, 1)
    for n in WORKERS:
        step_s = costs.step_s(network, n)
        mark = "*" if costs.row_size and n * BATCH > costs.n_texts else " "
        print(
            f"  {n:7}{costs.rows_of[n]:9,.0f}{mark}{4e-6 * costs.n_values(n):12.2f}{step_s * 1e3:10.1f}"
            f"{n * BATCH / step_s:9,.0f}{alone / step_s:13.0%}"
        )
    shared = costs.step_s(network, 1, SHARED)
    times = [(n, costs.step_s(network, n, SHARED)) for n in WORKERS if n <= 4 * SHARED]
    print(f"  one batch of {SHARED * BATCH} texts shared out, times faster: ", end="")
    print(", ".join(f"{n} workers {shared / step_s:.1f}" for n, step_s in times))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--text", default="text")
    parser.add_argument("--label", default="label")
    parser.add_argument("--texts", type=int, default=40_000)
    parser.add_argument("--gigabits", type=float, default=25.0)
    parser.add_argument("--latency-us", type=float, default=30.0)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    native.set_thread_count(1)
    network = Network(given.gigabits * 1e9 / 8, given.latency_us * 1e-6)
    print(f"{native.active_instruction_set()}, one core; {given.gigabits:g} Gb/s, {given.latency_us:g} µs a message")
    base = load_recipe("default")
    source = base.data.model_copy(
        update={"source": given.data, "text": tuple(given.text.split(",")), "label": given.label, "limit": given.texts}
    )
    for name, overrides in VARIANTS.items():
        specification = base.model_copy(update={"data": source}).with_overrides(overrides)
        print_costs(name, measure(specification), network)


if __name__ == "__main__":
    main()
