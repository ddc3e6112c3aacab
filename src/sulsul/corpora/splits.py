"""Dividing the rows of a corpus into training, validation and test."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from sulsul.corpora.corpus import CorpusAudit, Strata
from sulsul.corpora.settings import SplitSettings
from sulsul.corpora.shuffle_split import draw, draw_stratified, sizes_of
from sulsul.errors import LabelError, SplitError

Rows = npt.NDArray[np.int64]

_PARTS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
_MOST_NAMED = 10
_WAY_OUT = "Add texts, leave the class out with --keep-classes, or split without stratification (stratify = false)."


class Divisible(Protocol):
    """What is looked at to divide the rows of a corpus."""

    @property
    def source(self) -> str:
        """What was asked for."""

    @property
    def audit(self) -> CorpusAudit:
        """What was counted while reading."""

    @property
    def multi_label(self) -> bool:
        """Whether a text may have several labels."""

    @property
    def split_values(self) -> pl.Series | None:
        """String: the part that the source itself names for each row."""

    def __len__(self) -> int: ...

    def class_counts(self) -> dict[str, int]:
        """Count the texts of each class."""

    def strata(self) -> Strata | None:
        """Return the label, or set of labels, of every row as a number; None without labels."""

    def location(self, index: int) -> str:
        """Return ``FILE, row N``."""


@dataclass(frozen=True, eq=False)
class Splits:
    """Row positions (int64, into the corpus) of each part, and in words how they were found."""

    train: Rows
    validation: Rows
    test: Rows
    note: str


def split_corpus(corpus: Divisible, settings: SplitSettings) -> Splits:
    """Divide the rows; where scikit-learn's ``train_test_split`` would be called twice, the rows are the same.

    Test rows are taken from all rows, validation rows from those that remain, each with the same seed. Rows that the
    source itself assigns to a part (:attr:`Corpus.split_values`) stay there, and only the parts it does not name are
    taken from its training rows. A number of rows asked for a part that the source names is drawn from that part.

    Raises
    ------
    LabelError
        If the labels name only one class.
    SplitError
        If a class has too few texts for a stratified split, a part would be empty or larger than what there is, or a
        split value is unknown.
    """
    _require_two_classes(corpus)
    if settings.column is not None and corpus.split_values is None:
        raise SplitError(f"{corpus.source}: the split column {settings.column!r} was not read with the texts.")
    if corpus.split_values is None:
        assigned = {"train": np.arange(len(corpus), dtype=np.int64)}
        notes = []
    else:
        assigned = _assigned_rows(corpus, settings.column)
        notes = [f"{' and '.join(assigned)} as the source names them"]
    return complete_splits(corpus, assigned, settings, notes)


def complete_splits(corpus: Divisible, assigned: dict[str, Rows], settings: SplitSettings, notes: list[str]) -> Splits:
    """Take the parts that are not in ``assigned`` from its training rows; raises as :func:`split_corpus` does."""
    if not len(assigned.get("train", ())):
        raise SplitError(f"{corpus.source}: no row is left for training.")
    divide = _Divider(corpus, settings)
    pool = assigned["train"]
    empty = np.empty(0, dtype=np.int64)
    test, validation = assigned.get("test", empty), assigned.get("validation", empty)
    if "test" not in assigned:
        if size := settings.test_rows or settings.test:
            pool, test = divide.take(pool, size, part="test")
    elif settings.test_rows is not None and settings.test_rows < len(test):
        _, test = divide.take(test, settings.test_rows, part="test")
    if "validation" in assigned and settings.validation_rows is not None and settings.validation_rows < len(validation):
        _, validation = divide.take(validation, settings.validation_rows, part="validation")
    if "validation" not in assigned and (size := settings.validation_rows or settings.validation):
        pool, validation = divide.take(pool, size, part="validation", keep=settings.train_rows)
    elif settings.train_rows is not None and settings.train_rows < len(pool):
        _, pool = divide.take(pool, settings.train_rows, part="training")
    return Splits(pool, validation, test, "; ".join([*notes, *divide.notes]))


class _Divider:
    """Takes parts out of a pool of rows, each with the same seed and stratification, and notes how."""

    def __init__(self, corpus: Divisible, settings: SplitSettings) -> None:
        self.notes: list[str] = []
        self._seed = settings.seed
        self._strata = corpus.strata() if settings.stratify else None
        self._multi_label = corpus.multi_label

    def take(self, pool: Rows, size: float | int, *, part: str, keep: int | None = None) -> tuple[Rows, Rows]:
        """Return (kept, taken) exactly as ``train_test_split(pool, test_size=size, train_size=keep)`` does."""
        if isinstance(size, int) and size + (keep or 1) > len(pool):
            raise SplitError(
                f"{size} {part} rows and {keep or 'at least 1'} training rows were asked for, "
                f"but there are {len(pool)}."
            )
        n_taken, n_kept = sizes_of(len(pool), size, keep)
        if n_kept < 1:
            raise SplitError(f"a {part} split of {n_taken} out of {len(pool)} rows leaves none for training.")
        groups, said = self._groups(pool, n_taken, n_kept, part)
        if groups is None:
            kept, taken = draw(len(pool), n_taken, n_kept, self._seed)
        else:
            kept, taken = draw_stratified(groups, n_taken, n_kept, self._seed)
        amount = f"{size} rows" if isinstance(size, int) else f"{size:g}"
        self.notes.append(f"{part} {amount}, seed {self._seed}, {said}")
        return pool[kept], pool[taken]

    def _groups(self, pool: Rows, n_taken: int, n_kept: int, part: str) -> tuple[npt.NDArray[np.integer] | None, str]:
        """Return what to stratify the pool on, and in words; a label that does not allow it is refused."""
        if self._strata is None:
            return None, "not stratified"
        groups = self._strata.codes[pool]
        counts = np.bincount(groups, minlength=len(self._strata.names))
        if not self._multi_label:
            _require_pairs(counts, self._strata.names, part)
            _require_room(counts, n_taken, n_kept, part)
            return groups, "stratified"
        # Label sets are many and often unique; a set that occurs once joins the most frequent one, the first of equals.
        largest = groups[np.argmax(counts[groups] == counts.max())]
        groups = np.where(counts[groups] >= 2, groups, largest)
        if not _has_room(np.bincount(groups), n_taken, n_kept):
            return None, "not stratified, as there are too many label sets"
        n_rare = int((counts == 1).sum())
        return groups, "stratified on label sets" + (f" but for {n_rare} that occur once" if n_rare else "")


def _require_two_classes(corpus: Divisible) -> None:
    classes = list(corpus.class_counts())
    if not classes and corpus.strata() is None:
        return
    if len(classes) < (1 if corpus.multi_label else 2):
        named = f"only the class {classes[0]!r}" if classes else "no class"
        column = corpus.audit.label_column
        raise LabelError(
            f"{corpus.source}, column {column!r}: there is {named}; a classifier needs at least two. "
            "Is this the right label column?"
        )


def _require_pairs(counts: npt.NDArray[np.int64], names: tuple[str, ...], part: str) -> None:
    if lonely := [names[code] for code in np.flatnonzero(counts == 1)]:
        named = class_names(lonely)
        verb = "have" if len(lonely) > 1 else "has"
        raise SplitError(
            f"class {named} {verb} fewer than 2 texts to divide when the {part} split is taken; "
            f"a stratified split needs at least 2 of each. {_WAY_OUT}"
        )


def class_names(names: Sequence[str]) -> str:
    """Return the names of classes for a message, the first ten at most.

    Examples
    --------
    >>> class_names(["a", "b"])
    "'a', 'b'"
    """
    more = len(names) - _MOST_NAMED
    return ", ".join(map(repr, names[:_MOST_NAMED])) + (f" (and {more:,} more)" if more > 0 else "")


def _require_room(counts: npt.NDArray[np.int64], n_taken: int, n_kept: int, part: str) -> None:
    if not _has_room(counts, n_taken, n_kept):
        raise SplitError(
            f"a stratified {part} split of {n_taken} out of {counts.sum()} rows cannot hold one "
            f"text of each of the {np.count_nonzero(counts)} classes on both sides. "
            f"Change its size, or {_WAY_OUT[0].lower()}{_WAY_OUT[1:]}"
        )


def _has_room(counts: npt.NDArray[np.int64], n_taken: int, n_kept: int) -> bool:
    return min(n_taken, n_kept) >= int(np.count_nonzero(counts))


def _assigned_rows(corpus: Divisible, column: str | None) -> dict[str, Rows]:
    assert corpus.split_values is not None
    values = corpus.split_values.fill_null("").str.strip_chars().str.to_lowercase()
    unknown = (~values.is_in(list(_PARTS))).arg_true()
    if len(unknown):
        row = int(unknown[0])
        raise SplitError(
            f"{corpus.location(row)}, column {column or 'split'!r}: {corpus.split_values[row]!r} names no part; "
            "use train, validation or test."
        )
    parts = values.replace_strict(_PARTS)
    found = {part: (parts == part).arg_true().to_numpy().astype(np.int64) for part in ("train", "validation", "test")}
    return {part: rows for part, rows in found.items() if len(rows)}
