"""CSV and TSV: every record is examined once, then Polars reads the columns that are asked for."""

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from sulsul.corpora.encodings import (
    is_utf8,
    named_encoding,
    recognise_after_failure,
    recognise_encoding,
    require_utf8,
    transcode,
)
from sulsul.corpora.records import Layout, Survey, read_header, stream_records, survey
from sulsul.corpora.tables import POLARS_FAILURES, LazyTable, Table, TableBlock, numbered, unreadable
from sulsul.errors import DataError, EncodingError


class DelimitedTable(Table):
    """A CSV or TSV file on this machine, with a header.

    CSV is read by RFC 4180. In TSV quotes are often nothing but characters: where reading them as quotes breaks rows
    or joins lines, and reading them as text gives every line the fields of a header without quotes, they are text
    (``quoting`` is False).

    Parameters
    ----------
    path
        The file; ``.gz`` is read as it is.
    separator
        One character.
    encoding
        ``auto`` or the name of a codec.

    Raises
    ------
    DataError
        If the file is empty or its header cannot be used.
    EncodingError
        If the first lines are undecodable.
    """

    def __init__(self, path: Path, separator: str, encoding: str) -> None:
        super().__init__(str(path))
        self._recognise = encoding == "auto"
        self.encoding = recognise_encoding(path) if self._recognise else named_encoding(encoding)
        self.quoting = True
        header = read_header(path, self.encoding, separator)
        _check_header(self.name, header)
        self._layout = Layout(path, self.encoding, separator, quoting=True, header=header)

    def schema(self) -> dict[str, pl.DataType]:
        """Return the header's columns; every cell is text."""
        return {name: pl.String() for name in self._layout.header}

    def head(self, n_rows: int) -> pl.DataFrame:
        """Return the first rows with every column."""
        layout = self._layout
        self._examine(n_rows)
        frame = next(self._stream(layout.header, n_rows), numbered(pl.DataFrame(schema=self.schema()))).frame
        # What the first rows settle, later rows may unsettle.
        self._layout = layout
        return frame

    def read(self, columns: Sequence[str], limit: int | None) -> TableBlock:
        """Return the given columns of the first rows; empty lines are left out.

        Raises
        ------
        DataError
            If quotes are broken or a row has more or fewer fields than the header; names row and column.
        EncodingError
            If a byte is undecodable; names offset and row.
        """
        blank = self._examine(limit).blank_rows
        try:
            frame = self._scan(limit).select(columns).collect()
        except POLARS_FAILURES as error:
            raise unreadable(self.name, error) from error
        n_rows = frame.height
        rows = np.arange(1, n_rows + 1, dtype=np.int64)
        if blank:
            kept = np.ones(n_rows, dtype=np.bool_)
            kept[np.array(blank) - 1] = False
            frame, rows = frame.filter(pl.Series(kept)), rows[kept]
        return TableBlock(frame, rows, n_rows)

    def batches(self, columns: Sequence[str], batch_rows: int, limit: int | None = None) -> Iterator[TableBlock]:
        """Yield the given columns batch by batch after one pass of examination; raises as :meth:`read` does."""
        self._examine(limit)
        return self._stream(columns, batch_rows)

    def _scan(self, limit: int | None) -> pl.LazyFrame:
        file = self._utf8_file()
        return pl.scan_csv(
            # Polars reads a file as a whole too, but keeps its bytes for as long as the columns live: 15 of 34 MB.
            file.read_bytes() if limit is None else file,
            separator=self._layout.separator,
            quote_char='"' if self._layout.quoting else None,
            schema=dict.fromkeys(self._layout.header, pl.String),
            empty_string_is_null=False,
            n_rows=limit,
            glob=False,
        )

    def _stream(self, columns: Sequence[str], batch_rows: int) -> Iterator[TableBlock]:
        positions = [self._layout.header.index(name) for name in columns]
        schema = dict.fromkeys(columns, pl.String)
        last_row = 0
        with closing(stream_records(self._layout)) as records:
            while batch := list(itertools.islice(records, batch_rows)):
                cells = [[fields[position] for _, fields in batch] for position in positions]
                frame = pl.DataFrame(dict(zip(columns, cells, strict=True)), schema=schema)
                rows = np.array([row for row, _ in batch], dtype=np.int64)
                yield TableBlock(frame, rows, int(rows[-1]) - last_row)
                last_row = int(rows[-1])

    def _examine(self, limit: int | None) -> Survey:
        """Go through the records; settle encoding and quoting, or raise for the first broken row."""
        try:
            found = self._settle_quoting(limit)
        except EncodingError:
            if not self._recognise:
                raise
            # The samples looked like UTF-8; cp949 is what is left to try.
            better = recognise_after_failure(self._layout.path, self._layout.encoding)
            if better is None:
                raise
            self._layout = replace(self._layout, encoding=better)
            found = self._settle_quoting(limit)
        self.encoding, self.quoting = self._layout.encoding, self._layout.quoting
        return found

    def _settle_quoting(self, limit: int | None) -> Survey:
        as_text = replace(self._layout, quoting=False)
        may_be_text = self._layout.separator == "\t"
        try:
            found = survey(self._layout, limit)
        except EncodingError:
            raise
        except DataError:
            if not may_be_text or (without := _survey_or_none(as_text, limit)) is None:
                raise
            self._layout, found = as_text, without
        else:
            # A quoted cell over several lines may really be two stray quotes that swallow the rows between them.
            if may_be_text and found.multi_line and (without := _survey_or_none(as_text, limit)) is not None:
                self._layout, found = as_text, without
        if found.n_rows < 1:
            raise DataError(f"{self.name} has a header but no rows.")
        return found

    def _utf8_file(self) -> Path:
        """Return the file itself, or a temporary copy in UTF-8 that lives as long as this table is open."""
        if is_utf8(self._layout.encoding):
            return self._layout.path
        copy = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="sulsul-"))) / "utf8.csv"
        with copy.open("wb") as file:
            transcode(self._layout.path, self._layout.encoding, file)
        return copy


class RemoteDelimitedTable(LazyTable):
    """A CSV or TSV file that only Polars can open: at an address, or packed with zstd.

    It is read as UTF-8 with quotes, every cell as text; its rows cannot be examined one by one, so a row that ends
    early reads as one with empty cells.
    """

    def __init__(self, address: str, separator: str, encoding: str) -> None:
        require_utf8(address, encoding)
        super().__init__(
            address,
            lambda: pl.scan_csv(
                address, separator=separator, infer_schema=False, empty_string_is_null=False, glob=False
            ),
        )
        self.encoding, self.quoting = "utf-8", True
        self.note = "rows were not examined one by one"


def _survey_or_none(layout: Layout, limit: int | None) -> Survey | None:
    try:
        return survey(layout, limit)
    except DataError:
        return None


def _check_header(name: str, header: Sequence[str]) -> None:
    if not header:
        raise DataError(f"{name} is empty; it needs a header line with the column names.")
    if any("\r" in column or "\ufdd0" in column for column in header):
        raise DataError(f"{name}: lines end in CR alone, as on old Macs; save it with LF or CRLF line ends.")
    if twice := sorted({column for column in header if header.count(column) > 1}):
        named = ", ".join(map(repr, twice))
        raise DataError(f"{name}: the header names {named} more than once; rename one of the columns.")
