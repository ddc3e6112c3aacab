"""JSON Lines: one object per line, every line examined, so that a value of the wrong type is named by its row."""

import itertools
import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sulsul.corpora.encodings import (
    decode_lines,
    named_encoding,
    recognise_after_failure,
    recognise_encoding,
    require_utf8,
)
from sulsul.corpora.tables import LazyTable, Table, TableBlock
from sulsul.errors import DataError, EncodingError

_HEAD_RECORDS = 1000
_READ_RECORDS = 1 << 14
_KINDS: dict[type, str] = {str: "text", int: "a number", float: "a number", bool: "true or false", list: "a list"}
_UNFIT = (pl.exceptions.PolarsError, TypeError, OverflowError, UnicodeEncodeError)
Json = str | int | float | bool | list["Json"] | dict[str, "Json"] | None
JsonObject = dict[str, Json]


class JsonLinesTable(Table):
    """A JSON Lines file on this machine. A row's number is the number of its line; empty lines hold no row.

    Polars turns a number, list or object into text where text is asked for; here that is an error with a row, so the
    lines go through Python's own parser (some 0.4 s for 150,000 short texts).

    Raises
    ------
    DataError
        If the file holds no object.
    EncodingError
        If the first lines are undecodable.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        super().__init__(str(path))
        self._path = path
        self._recognise = encoding == "auto"
        self.encoding = recognise_encoding(path) if self._recognise else named_encoding(encoding)
        self._kinds: dict[str, str] = {}
        with closing(self._objects()) as objects:
            self._head = list(itertools.islice(objects, _HEAD_RECORDS))
        if not self._head:
            raise DataError(f"{self.name} holds no JSON object; each line must be one.")

    def schema(self) -> dict[str, pl.DataType]:
        """Return the keys of the first 1,000 objects with the types of their values."""
        names = dict.fromkeys(key for row, record in self._head for key in self._checked_keys(row, record))
        return {name: _dtype([record.get(name) for _, record in self._head]) for name in names}

    def _checked_keys(self, row: int, record: dict[str, Any]) -> Iterator[str]:
        for key in record:
            if any("\ud800" <= character <= "\udfff" for character in key):
                raise DataError(f"{self.name}, row {row}: the key {key!a} holds half a character (a lone surrogate).")
            yield key

    def head(self, n_rows: int) -> pl.DataFrame:
        """Return the first rows with every column; one that does not hold plain values of one type is all null."""
        return pl.DataFrame([self._head_column(name, dtype, n_rows) for name, dtype in self.schema().items()])

    def _head_column(self, name: str, dtype: pl.DataType, n_rows: int) -> pl.Series:
        cells = [record.get(name) for _, record in self._head[:n_rows]]
        if not isinstance(dtype, pl.Object):
            # What cannot be kept is named with its row if the column turns out to be wanted.
            with suppress(*_UNFIT):
                return pl.Series(name, cells, dtype=dtype)
        return pl.Series(name, [None] * len(cells), dtype=pl.String)

    def read(self, columns: Sequence[str], limit: int | None) -> TableBlock:
        """Return the given columns of the first rows.

        Raises
        ------
        DataError
            If a line is no JSON object, or the values of a column are of several types; names row and column.
        EncodingError
            If a byte is undecodable; names offset and row.
        """
        blocks = list(self._batches(columns, _READ_RECORDS, limit))
        if not blocks:
            raise DataError(f"{self.name} holds no JSON object in its first {limit} lines.")
        frame = pl.concat([block.frame for block in blocks], how="vertical_relaxed", rechunk=True)
        rows = np.concatenate([block.rows for block in blocks])
        return TableBlock(frame, rows, int(rows[-1]))

    def batches(self, columns: Sequence[str], batch_rows: int, limit: int | None = None) -> Iterator[TableBlock]:
        """Yield the given columns batch by batch; raises as :meth:`read` does."""
        return self._batches(columns, batch_rows, limit)

    def _batches(self, columns: Sequence[str], batch_rows: int, limit: int | None) -> Iterator[TableBlock]:
        last_row = 0
        with closing(self._objects()) as objects:
            chosen = objects if limit is None else itertools.takewhile(lambda item: item[0] <= limit, objects)
            while batch := list(itertools.islice(chosen, batch_rows)):
                rows = np.array([row for row, _ in batch], dtype=np.int64)
                yield TableBlock(
                    pl.DataFrame([self._column(name, batch) for name in columns]), rows, int(rows[-1]) - last_row
                )
                last_row = int(rows[-1])

    def _column(self, name: str, batch: Sequence[tuple[int, JsonObject]]) -> pl.Series:
        cells = [_present(record.get(name)) for _, record in batch]
        for cell, (row, _) in zip(cells, batch, strict=True):
            if cell is None:
                continue
            kind = _KINDS.get(type(cell), "an object")
            expected = self._kinds.setdefault(name, kind)
            if kind != expected or kind == "an object":
                raise DataError(
                    f"{self.name}, row {row}, column {name!r}: {_shown(cell)} is {kind}"
                    + (f" where the rows before hold {expected}." if kind != expected else ", not a single value.")
                )
        dtype = _dtype(cells) if any(cell is not None for cell in cells) else _EMPTY.get(self._kinds.get(name, "text"))
        try:
            return pl.Series(name, cells, dtype=dtype)
        except _UNFIT as error:
            raise self._unusable(name, batch, dtype, error) from error

    def _unusable(
        self, name: str, batch: Sequence[tuple[int, JsonObject]], dtype: object, error: Exception
    ) -> DataError:
        """Name the first row whose value cannot be kept: a lone surrogate, a huge number, a list of mixed types."""
        for row, record in batch:
            try:
                pl.Series([record.get(name)], dtype=dtype)  # type: ignore[arg-type]
            except _UNFIT:
                return DataError(f"{self.name}, row {row}, column {name!r}: {_shown(record.get(name))} cannot be used.")
        return DataError(f"{self.name}, column {name!r}: {error}")

    def _objects(self) -> Generator[tuple[int, JsonObject], None, None]:
        """Yield (line number, object) for every line that is not empty."""
        for row, line in enumerate(self._lines(), start=1):
            if text := line.strip():
                yield row, self._parse(text, row)

    def _lines(self) -> Iterator[str]:
        assert self.encoding is not None
        n_lines = 0
        try:
            for line in decode_lines(self._path, self.encoding):
                n_lines += 1
                yield line
        except EncodingError as error:
            better = recognise_after_failure(self._path, self.encoding) if self._recognise else None
            if better is None:
                raise EncodingError(f"{error} It is in row {n_lines + 1}.") from None
            # Everything before the bad byte is ASCII and stays as it was read.
            self.encoding = better
            yield from itertools.islice(decode_lines(self._path, better), n_lines, None)

    def _parse(self, text: str, row: int) -> JsonObject:
        try:
            record = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(f"{self.name}, row {row}, character {error.colno}: no JSON ({error.msg}).") from error
        except (RecursionError, ValueError) as error:
            raise DataError(f"{self.name}, row {row}: no usable JSON ({error}).") from error
        if not isinstance(record, dict):
            raise DataError(f"{self.name}, row {row}: {_shown(record)} is not an object with named values.")
        return record


class RemoteJsonLinesTable(LazyTable):
    """A JSON Lines file that only Polars can open: at an address, or packed with zstd.

    Its columns are the keys of the first 1,000 objects.
    """

    def __init__(self, address: str, encoding: str) -> None:
        require_utf8(address, encoding)
        super().__init__(address, lambda: pl.scan_ndjson(address, infer_schema_length=_HEAD_RECORDS))
        self.encoding = "utf-8"
        self.note = "rows were not examined one by one"


_EMPTY: dict[str, pl.DataType] = {
    "text": pl.String(),
    "a number": pl.Int64(),
    "true or false": pl.Boolean(),
    "a list": pl.List(pl.String),
}


def _present(cell: Json) -> Json:
    """Return the value, None for NaN: the way pandas writes a missing value."""
    return None if isinstance(cell, float) and cell != cell else cell


def _dtype(cells: Sequence[Json]) -> pl.DataType:
    """Return the narrowest type for the values; Object where they are not of one plain type."""
    types = {type(cell) for cell in cells if _present(cell) is not None}
    if types <= {str}:
        return pl.String()
    if types == {bool}:
        return pl.Boolean()
    if types <= {int, float}:
        return pl.Float64() if float in types else pl.Int64()
    if types == {list}:
        inner = _dtype([item for cell in cells if isinstance(cell, list) for item in cell])
        return pl.Object() if isinstance(inner, (pl.Object, pl.List)) else pl.List(inner)
    return pl.Object()


def _shown(value: object) -> str:
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."
