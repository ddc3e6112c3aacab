"""Train with float32 and with bfloat16 products from the same weights and compare the accuracy on held-out texts.

    python benchmarks/precision.py [--seeds N] [case …]

The layers' products run on AMX either as three products of bfloat16 halves, which is what float32 means on such a
processor, or as one product of bfloat16 numbers (``precision="bf16"``). Everything else is float32. A pair of runs
shares its split, initial weights and batches. Printed for each case, as a row of Markdown: mean and standard deviation
of the accuracy over the seeds, the mean of the paired differences with its standard error, and the time of all epochs.
"""

import argparse
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from unittest import mock

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from problems import SHARED_DATA
from sulsul.batching import EncodedCorpus
from sulsul.inference import predict_logits
from sulsul.kernels import native
from sulsul.model import Classifier, EmbeddingInput, ModelSpecification, RecurrentLayer, native_backend
from sulsul.text import TextSettings, Tokenizer
from sulsul.training import TrainingSettings, train_classifier


@dataclass(frozen=True)
class Case:
    """A network and the texts it is trained on.

    Attributes
    ----------
    n_texts
        Drawn anew for each seed; a fifth of them is held out.
    """

    texts: str
    layers: tuple[RecurrentLayer, ...]
    n_texts: int
    n_timesteps: int
    epochs: int
    vocabulary_size: int = 5_000


CASES = {
    "Seoul, BiLSTM 64 × 2": Case(
        "seoul", (RecurrentLayer(kind="lstm", units=64, bidirectional=True),) * 2, 2_138, 100, 8
    ),
    "NSMC, BiGRU 64": Case("nsmc", (RecurrentLayer(kind="gru", units=64, bidirectional=True),), 10_000, 30, 3),
    "IMDB, BiLSTM 64": Case("imdb", (RecurrentLayer(kind="lstm", units=64, bidirectional=True),), 5_000, 120, 4),
}


def read_texts(name: str) -> tuple[pl.Series, npt.NDArray[np.int64]]:
    """Return texts and class ids."""
    if name == "seoul":
        table = pl.read_csv(SHARED_DATA / "seoul-120-text.csv").filter(pl.col("분류").is_in(["행정", "경제", "복지"]))
        texts = table.select(pl.concat_str(["제목", "내용"], separator=" ", ignore_nulls=True)).to_series()
        labels = table["분류"]
    elif name == "nsmc":
        table = pl.read_csv(SHARED_DATA / "nsmc-train.tsv", separator="\t").drop_nulls()
        texts, labels = table["document"], table["label"]
    else:
        table = pl.read_parquet(SHARED_DATA / "imdb-train.parquet")
        texts, labels = table["text"], table["label"]
    return texts, np.unique(labels.to_numpy(), return_inverse=True)[1].astype(np.int64)


def encode(case: Case, seed: int) -> tuple[EncodedCorpus, EncodedCorpus, int]:
    """Return the texts to train on, those held out, and the number of classes."""
    texts, class_ids = read_texts(case.texts)
    rows = np.random.default_rng(seed).permutation(len(texts))[: case.n_texts]
    cut = len(rows) * 4 // 5
    settings = TextSettings(vocabulary_size=case.vocabulary_size, max_length=case.n_timesteps, truncate="front")
    tokenizer = Tokenizer.fit(texts.gather(rows[:cut]), settings)
    parts = [EncodedCorpus(*tokenizer.encode(texts.gather(part)), class_ids[part]) for part in (rows[:cut], rows[cut:])]
    return parts[0], parts[1], int(class_ids.max()) + 1


@contextmanager
def products_in(precision: native.Precision) -> Iterator[None]:
    """Let the layers multiply in this precision."""
    functions = {name: getattr(native, name) for name in ("layer_forward", "layer_backward")}
    patched = {name: partial(function, precision=precision) for name, function in functions.items()}
    with mock.patch.multiple(native_backend.native, **patched):
        yield


def train(case: Case, precision: native.Precision, seed: int) -> tuple[float, float]:
    """Return the accuracy on the texts held out and the seconds of all epochs."""
    corpus, held_out, n_classes = encode(case, seed)
    specification = ModelSpecification(input=EmbeddingInput(size=64), layers=case.layers, pooling="max")
    torch.manual_seed(seed)
    network = Classifier(
        specification, vocabulary_size=case.vocabulary_size, n_classes=n_classes, seed=seed, backend="native"
    )
    # Steps of torch: the native ones always multiply in float32.
    settings = TrainingSettings(epochs=case.epochs, seed=seed, backend="torch", keep="last", patience=None)
    with products_in(precision):
        result = train_classifier(network, corpus, None, settings, classes=[str(c) for c in range(n_classes)])
        logits = predict_logits(network, held_out)
    answers = network.probabilities(torch.from_numpy(logits)).argmax(1).numpy()
    return float((answers == held_out.class_ids).mean()), result.seconds


def main() -> None:
    """Compare the cases named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[[], *CASES])
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{native.active_instruction_set()}, {native.thread_count()} thread(s)")
    for name in arguments.cases or CASES:
        runs = [
            [train(CASES[name], precision, seed) for seed in range(arguments.seeds)]
            for precision in ("float32", "bf16")
        ]
        accuracies = [[100 * accuracy for accuracy, _ in side] for side in runs]
        seconds = [sum(s for _, s in side) for side in runs]
        differences = [b - a for a, b in zip(*accuracies, strict=True)]
        error = statistics.stdev(differences) / len(differences) ** 0.5
        shown = " | ".join(f"{statistics.fmean(side):.2f} ± {statistics.stdev(side):.2f}" for side in accuracies)
        difference = f"{statistics.fmean(differences):+.2f} ± {error:.2f}"
        print(f"| {name} | {shown} | {difference} | {seconds[0]:.1f} s | {seconds[1]:.1f} s |", flush=True)


if __name__ == "__main__":
    main()
