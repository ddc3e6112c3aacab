"""Token ids, lengths, classes and weights on disk, so that every peer computes on the same numbers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from sulsul.text import TextSettings, Tokenizer
from workloads import Workload

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

Lengths = Literal["dense", "real"]


@dataclass(frozen=True)
class Problem:
    """A folder that holds ``problem.json``, ``texts.npz`` and ``weights.npz``.

    Attributes
    ----------
    mean_length
        Tokens per text.
    source
        Where the lengths come from, in words.
    """

    folder: Path
    mean_length: float
    source: str


def write_problem(folder: Path, workload: Workload, lengths: Lengths, *, seed: int = 0) -> Problem:
    """Write the folder anew; the same arguments and data write the same numbers.

    Raises
    ------
    KeyError
        If the workload names texts that are not known here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    n_texts = workload.n_batches * workload.batch_size
    if lengths == "dense":
        sequences = _random_sequences(workload, np.full(n_texts, workload.n_timesteps), generator)
        source = f"random ids, every text {workload.n_timesteps} tokens"
    elif SHARED_DATA.is_dir():
        sequences, source = _real_sequences(workload, n_texts, generator)
    else:
        drawn = generator.lognormal(np.log(35), 1.1, n_texts).round().astype(np.int64)
        sequences = _random_sequences(workload, drawn.clip(1, workload.n_timesteps), generator)
        source = "random ids, lengths lognormal (median 35, sigma 1.1): the real texts are absent"
    offsets = np.concatenate([[0], np.cumsum([len(sequence) for sequence in sequences])]).astype(np.int64)
    class_ids = generator.integers(0, workload.n_classes, n_texts)
    np.savez(
        folder / "texts.npz", token_ids=np.concatenate(sequences).astype(np.int32), offsets=offsets, class_ids=class_ids
    )
    np.savez(folder / "weights.npz", **_weights(workload, generator))
    (folder / "problem.json").write_text(json.dumps(workload.to_json()))
    return Problem(folder, float(np.diff(offsets).mean()), source)


def _random_sequences(
    workload: Workload, lengths: npt.NDArray[np.integer], generator: np.random.Generator
) -> list[npt.NDArray[np.integer]]:
    return [generator.integers(1, workload.vocabulary_size, length) for length in lengths]


def _real_sequences(
    workload: Workload, n_texts: int, generator: np.random.Generator
) -> tuple[list[npt.NDArray[np.integer]], str]:
    if workload.texts == "seoul":
        table = pl.read_csv(SHARED_DATA / "seoul-120-text.csv").filter(pl.col("분류").is_in(["행정", "경제", "복지"]))
        texts = table.select(pl.concat_str(["제목", "내용"], separator=" ", ignore_nulls=True)).to_series()
    elif workload.texts == "imdb":
        texts = pl.read_parquet(SHARED_DATA / "imdb-train.parquet")["text"]
    else:
        raise KeyError(f"no texts named {workload.texts!r}")
    settings = TextSettings(vocabulary_size=workload.vocabulary_size, max_length=workload.n_timesteps, truncate="front")
    tokenizer = Tokenizer.fit(texts, settings)
    chosen = generator.choice(len(texts), n_texts, replace=n_texts > len(texts))
    token_ids, offsets = tokenizer.encode(texts.gather(chosen))
    sequences = [token_ids[offsets[i] : offsets[i + 1]] for i in range(n_texts)]
    # torch packs no empty sequence, so an empty text counts as one unknown word.
    sequences = [sequence if len(sequence) else np.ones(1, np.int32) for sequence in sequences]
    return sequences, f"{workload.texts} texts, last {workload.n_timesteps} words"


def _weights(workload: Workload, generator: np.random.Generator) -> dict[str, npt.NDArray[np.float32]]:
    weights = {}
    for name, shape in workload.parameter_shapes().items():
        if name == "input.weight":
            limit = 0.05
        elif name.endswith("bias"):
            limit = 0.1
        elif name.endswith("recurrent_kernel"):
            limit = np.sqrt(3.0 / shape[0])  # a spectrum like an orthogonal matrix's: no gate saturates, none dies
        else:
            limit = np.sqrt(6.0 / sum(shape))
        weights[name] = generator.uniform(-limit, limit, shape).astype(np.float32)
    return weights
