"""Keras-style integer sequences in `.npz`, with their labels and, where one is given, a word index."""

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from sulsul.corpora.array_archive import Member, PickledArray, read_archive
from sulsul.corpora.corpus import Corpus, Sequences
from sulsul.corpora.tables import Table, TableBlock, numbered
from sulsul.errors import DataError

# Keras: 0 pads, 1 starts, 2 stands for a rare word, 3 is unused; the word of rank r has id r + 3.
INDEX_FROM = 3
_SHOWN = ("", "", "<oov>", "")
_LAYOUTS = (
    (("train", "x_train", "y_train"), ("test", "x_test", "y_test")),
    (("train", "arr_0", "arr_1"), ("test", "arr_2", "arr_3")),
    ((None, "x", "y"),),
    ((None, "arr_0", "arr_1"),),
    ((None, "x", None),),
    ((None, "arr_0", None),),
)
_LARGEST_ID = np.iinfo(np.int32).max


class NpzTable(Table):
    """An archive of token-id sequences: ``x_train, y_train, x_test, y_test``, ``arr_0 … arr_3`` in the same order,
    or ``x`` and ``y``.

    Columns: ``text`` (the words of the ids by the word index, otherwise the ids themselves), ``label`` and, where
    there are two parts, ``split``. The ids are in :attr:`sequences`, in the order of the rows.

    Raises
    ------
    DataError
        If the archive is not of this form, a sequence holds anything but whole numbers from 0 up, or an id lies
        beyond the word index; the message names array and row.
    """

    def __init__(self, path: Path, word_index: Path | None) -> None:
        super().__init__(str(path))
        self.word_index = None if word_index is None else read_word_index(word_index)
        members = read_archive(path)
        layout = next((parts for parts in _LAYOUTS if all(_there(part, members) for part in parts)), None)
        if layout is None:
            raise DataError(
                f"{path} holds the arrays {', '.join(map(repr, sorted(members))) or 'none'}; expected x_train, "
                "y_train, x_test, y_test, or arr_0 to arr_3 in that order, or x and y."
            )
        self.sequences, cells = self._read_parts(layout, members)
        if self.word_index is not None:
            check_ids(self.sequences, max(self.word_index.values(), default=0) + INDEX_FROM + 1, self.name)
        self._cells: dict[str, pl.Series] = {"text": _texts(self.sequences, self.word_index), **cells}
        if "split" in cells:
            self.split_column = "split"

    def schema(self) -> dict[str, pl.DataType]:
        """Return the columns that the archive gives rise to."""
        return {name: column.dtype for name, column in self._cells.items()}

    def head(self, n_rows: int) -> pl.DataFrame:
        """Return the first rows with every column."""
        return pl.DataFrame(self._cells).head(n_rows)

    def read(self, columns: Sequence[str], limit: int | None) -> TableBlock:
        """Return the given columns of the first rows."""
        frame = pl.DataFrame({name: self._cells[name] for name in columns})
        return numbered(frame if limit is None else frame.head(limit))

    def batches(self, columns: Sequence[str], batch_rows: int, limit: int | None = None) -> Iterator[TableBlock]:
        """Yield the given columns batch by batch; the archive is in memory already."""
        frame = self.read(columns, None).frame
        for start in range(0, frame.height, batch_rows):
            yield numbered(frame.slice(start, batch_rows), start + 1)

    def _read_parts(
        self, layout: Sequence[tuple[str | None, str, str | None]], members: dict[str, Member]
    ) -> tuple[Sequences, dict[str, pl.Series]]:
        ids: list[npt.NDArray[np.int32]] = []
        lengths: list[npt.NDArray[np.int64]] = []
        labels: list[pl.Series] = []
        parts: list[str] = []
        for part, x, y in layout:
            flat, n_each = _sequences(members[x], f"{self.name}, array {x!r}")
            ids.append(flat)
            lengths.append(n_each)
            if y is not None:
                column = _labels(members[y], f"{self.name}, array {y!r}")
                if len(column) != len(n_each):
                    raise DataError(f"{self.name}: {x!r} has {len(n_each)} rows, {y!r} has {len(column)}.")
                labels.append(column)
            parts += [part] * len(n_each) if part is not None else []
        n_each = np.concatenate(lengths)
        offsets = np.zeros(len(n_each) + 1, dtype=np.int64)
        np.cumsum(n_each, out=offsets[1:])
        cells: dict[str, pl.Series] = {}
        if labels:
            cells["label"] = pl.concat(labels).alias("label")
        if parts:
            cells["split"] = pl.Series("split", parts)
        return Sequences(np.concatenate(ids), offsets), cells


def read_word_index(path: Path) -> dict[str, int]:
    """Return a Keras word index (word -> rank from 1) from its JSON file.

    Raises
    ------
    DataError
        If the file is missing, is no JSON object, or a rank is not a whole number from 1 up.
    """
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path}: the word index cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: the word index is no JSON ({error}).") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: the word index must be one JSON object of word: rank.")
    for word, rank in found.items():
        if type(rank) is not int or not 1 <= rank <= _LARGEST_ID - INDEX_FROM:
            raise DataError(
                f"{path}: the word index gives {word!r} the rank {rank!r}; it must be a whole number from 1."
            )
    return found


def check_token_ids(corpus: Corpus, vocabulary_size: int) -> None:
    """Make sure that every id of a corpus lies below the vocabulary size.

    Raises
    ------
    DataError
        If one does not; the message names the row.
    """
    if corpus.sequences is not None:
        check_ids(corpus.sequences, vocabulary_size, corpus.source, corpus.rows)


def check_ids(sequences: Sequences, vocabulary_size: int, name: str, rows: npt.NDArray[np.int64] | None = None) -> None:
    """Make sure that every id lies below the vocabulary size; raises as :func:`check_token_ids` does."""
    beyond = np.flatnonzero(sequences.token_ids >= vocabulary_size)
    if len(beyond):
        index = int(np.searchsorted(sequences.offsets, beyond[0], side="right")) - 1
        row = index + 1 if rows is None else int(rows[index])
        raise DataError(
            f"{name}, row {row}: token id {sequences.token_ids[beyond[0]]} is beyond the vocabulary "
            f"(ids 0 to {vocabulary_size - 1})."
        )


def _there(part: tuple[str | None, str, str | None], members: dict[str, Member]) -> bool:
    return all(name is None or name in members for name in part[1:])


def _sequences(member: Member, name: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return (flat ids int32, lengths int64) of an array of sequences."""
    if isinstance(member, PickledArray):
        flat, lengths = _from_pickle(member, name)
    else:
        if member.ndim != 2 or member.dtype.kind not in "iu":
            raise DataError(f"{name}: {_described(member)}; expected lists or rows of whole numbers.")
        flat = member.reshape(-1)
        lengths = np.full(member.shape[0], member.shape[1], dtype=np.int64)
    wrong = np.flatnonzero((flat < 0) | (flat > _LARGEST_ID))
    if len(wrong):
        row = int(np.searchsorted(np.cumsum(lengths), wrong[0], side="right")) + 1
        raise DataError(f"{name}, row {row}: {flat[wrong[0]]} cannot be a token id; ids run from 0 to {_LARGEST_ID}.")
    return flat.astype(np.int32), lengths


def _from_pickle(member: PickledArray, name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    assert isinstance(member.content, list)
    if len(member.shape) == 2:  # lists of one length, which NumPy makes a rectangle of objects
        width = member.shape[1]
        starts = range(0, len(member.content), width) if width else ()
        rows: list[Any] = [member.content[start : start + width] for start in starts]
    else:
        rows = [row.integers() if isinstance(row, PickledArray) else row for row in member.content]
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, (list, np.ndarray)):
            raise DataError(f"{name}, row {number}: {type(row).__name__} is not a list of whole numbers.")
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    if int(lengths.sum()) > member.size_bytes:  # one list entered many times over
        raise DataError(f"{name}: {int(lengths.sum())} ids cannot come from {member.size_bytes} bytes.")
    lists = [row.tolist() if isinstance(row, np.ndarray) else row for row in rows]
    if not set(map(type, itertools.chain.from_iterable(lists))) <= {int}:
        raise _not_a_number(lists, name)
    try:
        return np.fromiter(itertools.chain.from_iterable(lists), dtype=np.int64, count=int(lengths.sum())), lengths
    except OverflowError as error:
        number = next(i for i, row in enumerate(lists, start=1) if any(abs(value) >> 63 for value in row))
        raise DataError(f"{name}, row {number}: an id is too large to be one.") from error


def _not_a_number(lists: Sequence[list[object]], name: str) -> DataError:
    number, value = next(
        (number, value) for number, row in enumerate(lists, start=1) for value in row if type(value) is not int
    )
    return DataError(f"{name}, row {number}: it holds {type(value).__name__}, not only whole numbers.")


def _labels(member: Member, name: str) -> pl.Series:
    if isinstance(member, PickledArray):
        content = member.content
        if len(member.shape) != 1 or not isinstance(content, list) or not set(map(type, content)) <= {int}:
            raise DataError(f"{name}: labels must be a flat array of whole numbers or names.")
        return pl.Series("label", content, dtype=pl.Int64)
    if member.ndim == 2 and member.shape[1] == 1:
        member = member[:, 0]
    if member.ndim != 1 or member.dtype.kind not in "iufbU":
        raise DataError(f"{name}: {_described(member)}; labels must be one number or name per row.")
    native = member.astype(member.dtype.newbyteorder("="))
    return pl.Series("label", native.tolist() if member.dtype.kind == "U" else native)


def _described(array: npt.NDArray[Any]) -> str:
    return f"{array.ndim} dimension(s) of {array.dtype}"


def _texts(sequences: Sequences, word_index: dict[str, int] | None) -> pl.Series:
    """Return each sequence as words; without a word index the ids in figures stand for them."""
    ids, offsets = sequences
    largest = int(ids.max(initial=0))
    if word_index is None:
        words = {int(value): str(value) for value in np.unique(ids)}
    else:
        words = dict(enumerate(_SHOWN)) | {rank + INDEX_FROM: word for word, rank in word_index.items()}
        words |= {value: f"<{value}>" for value in range(largest + 1) if value not in words}
    flat = [words[value] for value in ids.tolist()]
    bounds = offsets.tolist()
    spans = itertools.pairwise(bounds)
    if word_index is None:
        return pl.Series("text", [" ".join(flat[start:end]) for start, end in spans], dtype=pl.String)
    return pl.Series("text", [" ".join(filter(None, flat[start:end])) for start, end in spans], dtype=pl.String)
