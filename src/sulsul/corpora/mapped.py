"""A corpus whose texts stay on disk: what is known of every row fits in memory, texts are read for the rows asked."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from sulsul.corpora.corpus import (
    FINGERPRINT_ROWS,
    Corpus,
    CorpusAudit,
    Located,
    Strata,
    fingerprint_head,
    locate_row,
    strata_of,
)
from sulsul.corpora.strings import StringColumn

NO_ID = "\x00"
"""Stands for a missing id in the column of ids."""
LabelValues = Sequence[str] | Sequence[Sequence[str]]


@dataclass(frozen=True, eq=False)
class MappedCorpus:
    """Texts on disk with their labels; row ``i`` of every field belongs together, as in :class:`Corpus`.

    Memory: 20 bytes a row, and 4 more where the source names the parts.

    Attributes
    ----------
    texts
        NFC, never null; an empty text is ``""``.
    label_codes
        int32 (B,): position of each text's label, or set of labels, in ``label_values``.
    label_values
        The distinct labels, or sets of labels.
    ids
        The id column, :data:`NO_ID` where a row has none; None where the source has none.
    rows
        int64 (B,): row number in the source from 1 on.
    source, audit
        As in :class:`Corpus`.
    fingerprint
        Equal to that of a :class:`Corpus` of the same content.
    part_codes, part_values
        int32 (B,) positions in what the source itself names as parts; None where it names none.
    """

    texts: StringColumn
    label_codes: npt.NDArray[np.int32]
    label_values: LabelValues
    multi_label: bool
    ids: StringColumn | None
    rows: npt.NDArray[np.int64]
    source: str
    audit: CorpusAudit
    fingerprint: str
    part_codes: npt.NDArray[np.int32] | None = None
    part_values: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def split_values(self) -> pl.Series | None:
        """String: the part that the source itself names for each row."""
        if self.part_codes is None:
            return None
        return pl.Series("split", self.part_values, dtype=pl.String).gather(pl.Series(self.part_codes))

    def class_counts(self) -> dict[str, int]:
        """Count the texts of each class, most frequent first (ties by name)."""
        counts: Counter[str] = Counter()
        of_value = np.bincount(self.label_codes, minlength=len(self.label_values))
        for value, n in zip(self.label_values, of_value.tolist(), strict=True):
            for name in value if self.multi_label else (str(value),):
                counts[name] += n
        return dict(sorted(((name, n) for name, n in counts.items() if n), key=lambda item: (-item[1], item[0])))

    def strata(self) -> Strata | None:
        """Return the label, or the set of labels, of every row as a number."""
        keys = ["\x1f".join(sorted(value)) if self.multi_label else str(value) for value in self.label_values]
        found = strata_of(pl.Series(keys, dtype=pl.String))
        return Strata(found.codes[self.label_codes], found.names)

    def location(self, index: int) -> str:
        """Return ``FILE, row N`` for the text at ``index``, for messages."""
        return locate_row(self.audit.files, int(self.rows[index]), self.source)

    def labels(self, rows: npt.NDArray[np.int64]) -> pl.Series:
        """Return the labels of some rows: String, or List[String] for a multi-label task."""
        return self.labels_of(self.label_codes[rows])

    def labels_of(self, codes: npt.ArrayLike) -> pl.Series:
        """Return the labels that stand at some positions of ``label_values``."""
        return self._labels.gather(pl.Series(np.asarray(codes, np.int64)))

    def evenly(self, n_texts: int) -> pl.Series:
        """Return some ``n_texts`` texts, equally far from each other."""
        return pl.Series("text", self.texts.take(np.arange(0, len(self), max(1, len(self) // n_texts))))

    def at(self, rows: npt.NDArray[np.int64]) -> Located:
        """Return the texts at some positions with where they come from; a text is read when it is looked at."""
        ids = None if self.ids is None else _Taken(self.ids, rows, NO_ID)
        return Located(_Taken(self.texts, rows), ids, self.rows[rows])

    @cached_property
    def _labels(self) -> pl.Series:
        return pl.Series("label", self.label_values, dtype=pl.List(pl.String) if self.multi_label else pl.String)

    def select(self, rows: npt.NDArray[np.int64]) -> Corpus:
        """Return the texts at the given positions, in that order, in memory; the audit stays that of the whole."""
        ids = None
        if self.ids is not None:
            ids = pl.Series("id", [None if name == NO_ID else name for name in self.ids.take(rows)], dtype=pl.String)
        values = self.split_values
        return Corpus(
            texts=pl.Series("text", self.texts.take(rows), dtype=pl.String),
            labels=self.labels(rows),
            ids=ids,
            rows=self.rows[rows],
            source=self.source,
            audit=self.audit,
            split_values=None if values is None else values.gather(pl.Series(rows)),
        )


class _Taken(Sequence[Any]):
    """Strings of a column that are read when they are looked at; ``missing`` stands for None."""

    def __init__(self, column: StringColumn, rows: npt.NDArray[np.int64], missing: str | None = None) -> None:
        self._column = column
        self._rows = rows
        self._missing = missing

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return _Taken(self._column, self._rows[index], self._missing)
        (found,) = self._column.take(self._rows[[index]])
        return None if found == self._missing else found


def fingerprint_of(
    texts: StringColumn, label_codes: npt.NDArray[np.int32], label_values: LabelValues, *, multi_label: bool
) -> str:
    """Return :attr:`Corpus.fingerprint` of texts and labels that are not in memory."""
    digest = hashlib.sha256(fingerprint_head("texts", len(texts), multi_label))
    for lengths, content in texts.blocks(FINGERPRINT_ROWS):
        digest.update(lengths.astype("<i8").tobytes())
        digest.update(content)
    names = [("\x1f".join(value) if multi_label else str(value)).encode() for value in label_values]
    sizes = np.array([len(name) for name in names], "<i8")
    digest.update(fingerprint_head("labels", len(texts), multi_label))
    for start in range(0, len(label_codes), FINGERPRINT_ROWS):
        codes = label_codes[start : start + FINGERPRINT_ROWS]
        digest.update(sizes[codes].tobytes())
        digest.update(b"".join([names[code] for code in codes.tolist()]))
    return digest.hexdigest()
