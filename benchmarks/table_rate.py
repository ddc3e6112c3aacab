"""Milliseconds per native training step with a large embedding table, plain or summed, updated whole and lazily.

    python benchmarks/table_rate.py [--threads N] [--seconds S]

BiLSTM over the embedding, AdamW with clipping, random texts of real lengths whose words are as frequent as Zipf's law
has it; summed: each word is the sum of 4 to 21 rows. Rounds over the same batches take turns; printed: median and
range, and what the optimizer takes of it.
"""

import argparse
import statistics

import numpy as np
import numpy.typing as npt
import torch

from step_rate import Rounds
from sulsul.batching import EncodedCorpus
from sulsul.kernels import native
from sulsul.model import Classifier, EmbeddingInput, ModelSpecification, RecurrentLayer, SummedEmbeddingInput
from sulsul.text import WordTypes
from sulsul.training import TrainingSettings
from sulsul.training.native_step import NativeStep

SHAPES = ((20_000, 128, 128, False), (200_000, 64, 64, False), (200_000, 64, 64, True))
N_TYPES = 60_000
BATCH_SIZE, N_BATCHES, LONGEST = 64, 8, 240


def random_corpus(vocabulary_size: int, *, summed: bool) -> EncodedCorpus:
    """Return texts of lognormal lengths (median 35) and words, or types and their parts, by Zipf's law."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(np.log(35), 1.1, BATCH_SIZE * N_BATCHES), 1, LONGEST).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    words = by_zipf(rng, N_TYPES if summed else vocabulary_size, offsets[-1], 1.0)
    types = None
    if summed:
        type_offsets = np.concatenate([[0], np.cumsum(rng.integers(4, 22, N_TYPES))])
        types = WordTypes(type_offsets, by_zipf(rng, vocabulary_size, type_offsets[-1], 0.8))
    return EncodedCorpus(words, offsets, rng.integers(0, 2, len(lengths)), types=types)


def by_zipf(rng: np.random.Generator, n_ids: int, n: int, exponent: float) -> npt.NDArray[np.int32]:
    """Draw n ids, of which the k-th has a frequency of k**-exponent."""
    frequencies = np.arange(1, n_ids + 1) ** -exponent
    return rng.choice(n_ids, n, p=frequencies / frequencies.sum()).astype(np.int32)


def measure(vocabulary_size: int, size: int, units: int, summed: bool, seconds: float) -> None:
    """Print a row for each way to update."""
    corpus = random_corpus(vocabulary_size, summed=summed)
    layer = RecurrentLayer(kind="lstm", units=units, bidirectional=True)
    read = SummedEmbeddingInput(size=size) if summed else EmbeddingInput(size=size)
    specification = ModelSpecification(input=read, layers=(layer,), pooling="max")
    steps, rounds = [], []
    for lazy in (False, True):
        classifier = Classifier(specification, vocabulary_size=vocabulary_size, n_classes=2, backend="torch")
        settings = TrainingSettings(optimizer="adamw", weight_decay=0.01, clip_norm=1.0, lazy_embedding=lazy)
        steps.append(NativeStep(classifier, settings))
        rounds.append(Rounds(steps[-1], corpus, BATCH_SIZE))
        rounds[-1].run()
    before = [step.times()["update"] for step in steps]
    while sum(rounds[0].seconds) * N_BATCHES < seconds:
        for each in rounds:
            each.seconds.append(each.run())
    for lazy, step, each, start in zip((False, True), steps, rounds, before, strict=True):
        update = (step.times()["update"] - start) / (each.step - N_BATCHES)
        low, middle, high = (f(each.seconds) * 1e3 for f in (min, statistics.median, max))
        print(
            f"{vocabulary_size:8,} x {size:<4} {'summed' if summed else 'plain':7}{'lazy' if lazy else 'whole':6}"
            f"{middle:9.2f} ({low:.2f} … {high:.2f}), update {update * 1e3:.2f}",
            flush=True,
        )


def main() -> None:
    """Measure every shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=native.thread_count())
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    native.set_thread_count(arguments.threads)
    print(f"{arguments.threads} threads, {native.active_instruction_set()}; ms per step: median (range)")
    for shape in SHAPES:
        measure(*shape, arguments.seconds)


if __name__ == "__main__":
    main()
