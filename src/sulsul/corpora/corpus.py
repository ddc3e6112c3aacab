"""Texts with their labels as they came out of a source, and the account of how they were read."""

import hashlib
from collections.abc import Iterator
from collections.abc import Sequence as AnySequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict

FINGERPRINT_ROWS = 8192


class SourceFile(BaseModel):
    """One file of a source: how it was read and how many rows it held."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    n_rows: int
    encoding: str | None = None
    quoting: bool | None = None
    note: str | None = None


class CorpusAudit(BaseModel):
    """What was counted while reading.

    ``n_rows`` counts the rows looked at (``limit`` applied); rows without any content and rows of classes that were
    not asked for are in it but not in the corpus. ``n_missing`` counts texts that the source marks as missing in
    every text column, ``n_empty`` the other texts without a visible character, ``n_nan_text`` texts of which a part
    reads ``nan``, ``null`` or ``none``: usually a missing value that some program wrote out as a word.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_rows: int
    n_texts: int
    n_empty: int = 0
    n_missing: int = 0
    n_nan_text: int = 0
    n_not_nfc: int = 0
    n_zero_width: int = 0
    n_full_width: int = 0
    n_replacement_character: int = 0
    n_blank_rows: int = 0
    n_without_label: int = 0
    n_dropped_by_class: int = 0
    dropped_classes: dict[str, int] = {}
    files: tuple[SourceFile, ...] = ()
    columns: tuple[str, ...] = ()
    text_columns: tuple[str, ...] = ()
    label_column: str | None = None
    id_column: str | None = None
    split_column: str | None = None
    guess: str | None = None

    @property
    def encoding(self) -> str | None:
        """Encoding of the files, ``mixed`` if they differ, None where the format has none."""
        found = {file.encoding for file in self.files}
        return found.pop() if len(found) == 1 else ("mixed" if found else None)


class Sequences(NamedTuple):
    """Token ids that a source already holds: ``token_ids`` int32 (N,), ``offsets`` int64 (B+1,)."""

    token_ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]


def fingerprint_head(column: str, n_rows: int, multi_label: bool) -> bytes:
    """Return what precedes a column in the content whose digest is a fingerprint."""
    return f"{column} {n_rows} {multi_label:d};".encode()


class Strata(NamedTuple):
    """What rows are stratified on: ``codes`` (B,), positions in the sorted ``names`` of labels or label sets."""

    codes: npt.NDArray[np.integer]
    names: tuple[str, ...]


class Located(NamedTuple):
    """Texts, their ids (or None) and int64 (B,) row numbers."""

    texts: AnySequence[str] | pl.Series
    ids: AnySequence[str] | pl.Series | None
    rows: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Corpus:
    """Texts, labels and where they came from; row ``i`` of every field belongs together.

    Attributes
    ----------
    texts
        String, NFC, never null; an empty text is ``""``.
    labels
        String, or List[String] for a multi-label task; None where the source has none or they were not read.
    ids
        The id column as String, carried through to predictions.
    rows
        int64 (B,): row number in the source from 1 on, header not counted, running on over several files.
    source
        The path, glob, address or data-set name that was asked for.
    audit
        What was counted while reading.
    split_values
        String: the part (train, validation, test) that the source itself names for each row.
    sequences
        Token ids, where the source holds ids instead of text.
    word_index
        Word -> rank as Keras writes it, where one was given with ``sequences``.
    """

    texts: pl.Series
    labels: pl.Series | None
    ids: pl.Series | None
    rows: npt.NDArray[np.int64]
    source: str
    audit: CorpusAudit
    split_values: pl.Series | None = None
    sequences: Sequences | None = None
    word_index: dict[str, int] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def multi_label(self) -> bool:
        """Whether a text may have several labels."""
        return self.labels is not None and isinstance(self.labels.dtype, pl.List)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) over texts and labels in order; equal content gives an equal fingerprint."""
        digest = hashlib.sha256()
        for block in self._fingerprint_blocks():
            digest.update(block)
        return digest.hexdigest()

    def _fingerprint_blocks(self) -> Iterator[bytes]:
        columns = [self.texts]
        if self.labels is not None:
            # A unit separator cannot be confused with a label boundary: every cell is preceded by its length.
            columns.append(self.labels.list.join("\x1f") if self.multi_label else self.labels)
        for column in columns:
            yield fingerprint_head("labels" if column is not self.texts else "texts", len(column), self.multi_label)
            for start in range(0, len(column), FINGERPRINT_ROWS):
                cells = column.slice(start, FINGERPRINT_ROWS).fill_null("\x00")
                yield cells.str.len_bytes().cast(pl.Int64).to_numpy().astype("<i8").tobytes()
                yield "".join(cells.to_list()).encode("utf-8", "surrogatepass")

    def class_counts(self) -> dict[str, int]:
        """Count the texts of each class, most frequent first (ties by name); empty without labels."""
        if self.labels is None:
            return {}
        labels = self.labels.explode(empty_as_null=True).drop_nulls() if self.multi_label else self.labels
        counts = labels.drop_nulls().value_counts(name="n").rows()
        return {str(name): int(n) for name, n in sorted(counts, key=lambda item: (-item[1], item[0]))}

    def strata(self) -> Strata | None:
        """Return the label, or the set of labels, of every row as a number; None without labels."""
        if self.labels is None:
            return None
        # Missing labels occur only where labels are optional.
        keys = self.labels.list.sort().list.join("\x1f") if self.multi_label else self.labels.fill_null("")
        return strata_of(keys)

    def location(self, index: int) -> str:
        """Return ``FILE, row N`` for the text at ``index``, for messages."""
        return locate_row(self.audit.files, int(self.rows[index]), self.source)

    def evenly(self, n_texts: int) -> pl.Series:
        """Return some ``n_texts`` texts, equally far from each other."""
        return self.texts.gather_every(max(1, len(self) // n_texts))

    def at(self, rows: npt.NDArray[np.int64]) -> Located:
        """Return the texts at some positions with where they come from."""
        part = self.select(rows)
        return Located(part.texts, part.ids, part.rows)

    def select(self, rows: npt.NDArray[np.int64]) -> "Corpus":
        """Return the texts at the given positions, in that order; the audit stays that of the whole."""
        index = pl.Series(rows, dtype=pl.Int64)

        def gather(column: pl.Series | None) -> pl.Series | None:
            return None if column is None else column.gather(index)

        return replace(
            self,
            texts=self.texts.gather(index),
            labels=gather(self.labels),
            ids=gather(self.ids),
            split_values=gather(self.split_values),
            rows=self.rows[rows],
            sequences=None if self.sequences is None else select_sequences(self.sequences, rows),
        )


def strata_of(keys: pl.Series) -> Strata:
    """Return strings as numbers that sort as they do."""
    names = keys.unique().sort()
    codes = keys.cast(pl.Enum(names)).to_physical().cast(pl.Int32)
    return Strata(codes.to_numpy(), tuple(names.to_list()))


def select_sequences(sequences: Sequences, rows: npt.NDArray[np.int64]) -> Sequences:
    """Return the sequences at the given positions, in that order."""
    starts = sequences.offsets[:-1][rows]
    lengths = np.diff(sequences.offsets)[rows]
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    positions = np.arange(offsets[-1], dtype=np.int64) + np.repeat(starts - offsets[:-1], lengths)
    return Sequences(sequences.token_ids[positions], offsets)


def locate_row(files: tuple[SourceFile, ...], row: int, source: str) -> str:
    """Return ``FILE, row N`` for a running row number (from 1) over several files."""
    for file in files:
        if row <= file.n_rows:
            return f"{file.name}, row {row}"
        row -= file.n_rows
    return f"{source}, row {row}"
