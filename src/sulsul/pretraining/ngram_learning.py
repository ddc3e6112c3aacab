"""Learning n-gram vectors: one for every text and every n-gram, near each other where the n-gram stands in the text.

Only those of the n-grams are kept. The objective is that of Thongtan & Phienthrakul 2019, "Sentiment classification
using document embeddings trained with cosine similarity"; ``cpp/documents`` has the steps.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from pydantic import BaseModel, ConfigDict, JsonValue

from sulsul.errors import DataError
from sulsul.evaluation.baselines import PART_LONGEST
from sulsul.evaluation.ngram_vectors import NgramVectors
from sulsul.evaluation.ngrams import KnownNgrams, Unit, count_ngrams
from sulsul.kernels.native import DocumentReader
from sulsul.pretraining.checkpoint import check_same_pretraining
from sulsul.pretraining_settings import PretrainingSettings
from sulsul.state_file import read_state, write_state
from sulsul.text.script import mostly_hangul

NGRAM_CHECKPOINT = "ngrams-checkpoint.safetensors"
_METADATA_KEY = "sulsul_ngram_vectors"
_GROUPS, _PARTS = ("ngrams", "documents"), ("rows", "squares")
# Of the cosine in the logistic function, and n-grams drawn for each that is read; two that count 2.5 each learn what
# five do (Thongtan & Phienthrakul's number) in half the time.
_STRENGTH, _NEGATIVES, _NEGATIVE_WEIGHT = 6.0, 2, 2.5
# N-grams are drawn by the power 3/4 of how often they occur (Mikolov et al. 2013).
_NOISE_POWER, _NOISE_DRAWS = 0.75, 1 << 21
# N-grams and texts are dealt out to so many blocks, whatever the number of threads.
_BLOCKS = 8
_TEXTS_A_STEP = 512
# A vector turns by about rate · strength / length² a step, and grows as it turns.
_RATE, _LAST_RATE, _FIRST_LENGTH = 1e-3, 1e-4, 0.17
_CHECKPOINT_INTERVAL_S = 300.0


@dataclass(frozen=True)
class NgramReport:
    """How far the learning has come; ``loss`` is that of the last step, ``ngrams_per_s`` that of this session."""

    epoch: int
    n_epochs: int
    share: float
    loss: float
    ngrams_per_s: float


class NgramProgress(BaseModel):
    """What a continuation needs beside the vectors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    identity: dict[str, JsonValue]
    step: int = 0
    seconds: float = 0.0
    loss: float = 0.0


@dataclass(frozen=True, eq=False)
class _Vectors:
    """float32 vectors (n, D) and the sum of squares of each (n,); recomputed, they would round otherwise."""

    rows: npt.NDArray[np.float32]
    squares: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _State:
    """What is learned."""

    ngrams: _Vectors
    documents: _Vectors


class NgramLearning:
    """Vectors of texts and n-grams, and how they are learned, saved and put back.

    Parameters
    ----------
    texts
        B texts in NFC.
    settings, seed
        How.
    identity
        What a continuation must repeat.

    Raises
    ------
    DataError
        If no n-gram stands in two texts.
    """

    def __init__(
        self, texts: pl.Series, settings: PretrainingSettings, *, seed: int, identity: Mapping[str, JsonValue]
    ) -> None:
        self.unit: Unit = "jamo" if mostly_hangul(texts) else "word"
        self._settings, self._seed = settings, seed
        counts = count_ngrams(texts, self.unit, PART_LONGEST[self.unit])
        n_texts, n_buckets = counts.shape
        texts_with = np.bincount(counts.indices, minlength=n_buckets)
        occurrences = np.bincount(counts.indices, weights=counts.data, minlength=n_buckets)
        order = np.argsort(-occurrences, kind="stable")[: settings.ngram_rows]
        kept = np.sort(order[texts_with[order] >= 2])
        if not len(kept):
            raise DataError(
                "no n-gram stands in two texts: there are no vectors to learn; set pretraining.ngram_vectors=0."
            )
        self.ngrams = KnownNgrams(kept.astype(np.int32), (texts_with[kept] / n_texts).astype(np.float32))
        row_of = np.full(n_buckets, -1, np.int32)
        row_of[kept] = np.arange(len(kept), dtype=np.int32)
        rows = row_of[counts.indices]
        repeats = np.where(rows >= 0, counts.data, 0).astype(np.int64)
        self._offsets = np.concatenate([[0], np.cumsum(repeats)])[counts.indptr].astype(np.int64)
        self._ids = np.repeat(rows, repeats)
        size = settings.ngram_vectors
        rng = np.random.default_rng([seed, 7])
        self._state = _State(*(_initial(rng, n, size) for n in (len(kept), n_texts)))
        self._noise = _noise(occurrences[kept].astype(np.float64))
        self.progress = NgramProgress(identity=dict(identity))

    @property
    def n_steps(self) -> int:
        """Steps of all epochs."""
        return self._settings.ngram_epochs * self._steps_an_epoch

    def run(
        self,
        path: Path,
        on_step: Callable[[NgramReport], object],
        stop_requested: Callable[[], bool],
        *,
        seconds: float | None,
    ) -> bool:
        """Learn to the end, or for so many seconds in all, and save the state; False if a stop was requested."""
        state = self._state
        reader = DocumentReader(
            state.ngrams.rows,
            state.ngrams.squares,
            self._noise,
            strength=_STRENGTH,
            negatives=_NEGATIVES,
            negative_weight=_NEGATIVE_WEIGHT,
        )
        reader.bind(self._ids, self._offsets, state.documents.rows, state.documents.squares)
        began = saved = time.perf_counter()
        before, n_read = self.progress.seconds, 0
        epoch, batches = 0, list[npt.NDArray[np.int64]]()
        while (share := self._share(seconds)) < 1.0:
            if stop_requested():
                self.save(path)
                return False
            step = self.progress.step
            finished, place = divmod(step, self._steps_an_epoch)
            if epoch != finished + 1:
                epoch = finished + 1
                batches = self._batches(epoch)
            rows = batches[place]
            rate = _RATE + (_LAST_RATE - _RATE) * share
            loss = reader.learn(rows, rate=rate, seed=int(np.random.default_rng([self._seed, 8, step]).integers(2**62)))
            now = time.perf_counter()
            self.progress = self.progress.model_copy(
                update={"step": step + 1, "seconds": before + now - began, "loss": loss}
            )
            n_read += int((self._offsets[rows + 1] - self._offsets[rows]).sum())
            pace = n_read / max(now - began, 1e-9)
            on_step(NgramReport(epoch, self._settings.ngram_epochs, self._share(seconds), loss, pace))
            if now - saved >= _CHECKPOINT_INTERVAL_S:
                self.save(path)
                saved = time.perf_counter()
        self.save(path)
        return True

    def found(self) -> NgramVectors:
        """Return the vectors of the n-grams as they are now."""
        rows = self._state.ngrams.rows
        directions = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return NgramVectors(self.unit, PART_LONGEST[self.unit], self.ngrams, directions.astype(np.float16))

    def save(self, path: Path) -> None:
        """Write the state in place of an old one, atomically; raises OutputError if it cannot be written."""
        groups = {
            name: {part: torch.from_numpy(getattr(getattr(self._state, name), part)) for part in _PARTS}
            for name in _GROUPS
        }
        write_state(path, _METADATA_KEY, self.progress, groups)

    def restore(self, path: Path) -> None:
        """Go to where a saved learning stood.

        Raises
        ------
        BundleError
            If the file cannot be used.
        TrainingError
            If it had other settings or texts.
        """
        progress, groups = read_state(
            path, _METADATA_KEY, NgramProgress, _GROUPS, otherwise="is not the state of n-gram vectors ({reason})"
        )
        check_same_pretraining(progress.identity, self.progress.identity)
        self._state = _State(*(_Vectors(*(groups[name][part].numpy().copy() for part in _PARTS)) for name in _GROUPS))
        self.progress = progress

    @property
    def _steps_an_epoch(self) -> int:
        return -(-len(self._state.documents.rows) // _TEXTS_A_STEP)

    def _share(self, seconds: float | None) -> float:
        """Return how much of the learning is done: of its steps, or of its time."""
        share = self.progress.step / self.n_steps
        return share if seconds is None else max(share, self.progress.seconds / seconds)

    def _batches(self, epoch: int) -> list[npt.NDArray[np.int64]]:
        """Return the texts of every step of an epoch, which counts from 1."""
        order = np.random.default_rng([self._seed, 9, epoch - 1]).permutation(len(self._state.documents.rows))
        return np.split(order, range(_TEXTS_A_STEP, len(order), _TEXTS_A_STEP))


def _initial(rng: np.random.Generator, n: int, size: int) -> _Vectors:
    rows = rng.random((n, size), dtype=np.float32) - np.float32(0.5)
    rows *= np.float32(_FIRST_LENGTH * np.sqrt(12.0 / size))
    return _Vectors(rows, np.einsum("ij,ij->i", rows, rows))


def _noise(occurrences: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    """Return rows to draw from (n_blocks, draws); block b holds those that are b modulo the blocks."""
    n_blocks = min(_BLOCKS, len(occurrences))
    draws = _NOISE_DRAWS // _BLOCKS
    noise = np.empty((n_blocks, draws), np.int32)
    for block in range(n_blocks):
        share = np.cumsum(occurrences[block::n_blocks] ** _NOISE_POWER)
        ends = np.round(share / share[-1] * draws).astype(np.int64)
        noise[block] = np.repeat(np.arange(block, len(occurrences), n_blocks), np.diff(ends, prepend=0))
    return noise
