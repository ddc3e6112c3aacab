"""Going through the records of a CSV or TSV one by one, to stream them and to name the one that is broken."""

import csv
import itertools
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sulsul.corpora.encodings import decode_lines, open_text
from sulsul.errors import DataError, EncodingError

# The csv module takes a lone carriage return for the end of a record; Polars and RFC 4180 do not. It travels through
# the module as a noncharacter, which no text holds.
_CR, _CR_STAND_IN = "\r", "\ufdd0"
_LONGEST_CELL = 2**31 - 1


class _Reader(Protocol):
    """The part of ``csv.reader``'s return type that is used; the type itself has no public name."""

    @property
    def line_num(self) -> int: ...

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


@dataclass(frozen=True)
class Layout:
    """How the bytes of a delimited file are to be read."""

    path: Path
    encoding: str
    separator: str
    quoting: bool
    header: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """What a pass over all records found.

    ``blank_rows`` are the numbers of empty lines (never in a table of one column, where an empty line is an empty
    cell); ``multi_line`` says whether a quoted cell runs over several lines.
    """

    n_rows: int
    blank_rows: tuple[int, ...]
    multi_line: bool


def read_header(path: Path, encoding: str, separator: str) -> tuple[str, ...]:
    """Return the fields of the first record; empty if the file is.

    Raises
    ------
    DataError
        If its quotes are broken.
    EncodingError
        If it cannot be decoded.
    """
    try:
        return tuple(next(_reader(decode_lines(path, encoding), separator, quoting=True), ()))
    except csv.Error as error:
        raise DataError(f"{path}, header: broken quotes ({error}).") from error


def survey(layout: Layout, limit: int | None = None) -> Survey:
    """Go through the records (some 100 MB/s) and raise for the first that is broken.

    Raises
    ------
    DataError
        If a quote is broken, or a record has more or fewer fields than the header; names row, line and column.
    EncodingError
        If a byte is undecodable; names offset and row.
    """
    try:
        with open_text(layout.path, layout.encoding) as file:
            return _count(layout, _csv_reader(file, layout.separator, quoting=layout.quoting), limit)
    except (csv.Error, UnicodeError, DataError):
        # Whatever it was, the careful pass tells it from a lone carriage return and names it.
        pass
    lines = decode_lines(layout.path, layout.encoding)
    reader = _reader(lines, layout.separator, quoting=layout.quoting)
    progress = [0, 0]
    try:
        return _count(layout, reader, limit, progress)
    except csv.Error as error:
        raise _broken(layout, progress[0], progress[1] + 1, error) from error
    except EncodingError as error:
        raise EncodingError(f"{error} It is in row {progress[0]}.") from None


def _count(layout: Layout, reader: _Reader, limit: int | None, progress: list[int] | None = None) -> Survey:
    """Return what was found; ``progress`` is left at (row that is being read, lines before it) if that fails."""
    width = len(layout.header)
    row, line = 0, 0
    blank: list[int] = []
    for row, fields in enumerate(itertools.islice(reader, None if limit is None else limit + 1)):
        if not row and not layout.quoting and tuple(fields) != layout.header:
            raise DataError(f"{layout.path}: the quotes of its header are not part of the names.")
        if len(fields) != width and row:
            if fields:
                raise _ragged(layout, row, line + 1, fields)
            if width > 1:
                blank.append(row)
        line = reader.line_num
        if progress is not None:
            progress[:] = row + 1, line
    return Survey(row, tuple(blank), line > row + 1)


def stream_records(layout: Layout) -> Generator[tuple[int, list[str]], None, None]:
    """Yield (row number, fields) after the header; an empty line in a table of one column is an empty cell.

    Empty lines of wider tables are passed over but counted. The file must have passed :func:`survey`.
    """
    width = len(layout.header)
    reader = _reader(decode_lines(layout.path, layout.encoding), layout.separator, quoting=layout.quoting)
    for row, fields in enumerate(reader):
        if row == 0:
            continue
        if len(fields) == width:
            yield row, fields if _CR_STAND_IN not in "".join(fields) else _restore(fields)
        elif width == 1:
            yield row, [""]


def _reader(lines: Iterable[str], separator: str, *, quoting: bool) -> _Reader:
    return _csv_reader((_hide(line) if _CR in line else line for line in lines), separator, quoting=quoting)


def _csv_reader(lines: Iterable[str], separator: str, *, quoting: bool) -> _Reader:
    csv.field_size_limit(_LONGEST_CELL)
    if quoting:
        return csv.reader(lines, delimiter=separator, strict=True)
    return csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE)


def _hide(line: str) -> str:
    body, end = (line[:-2], "\r\n") if line.endswith("\r\n") else (line, "")
    return body.replace(_CR, _CR_STAND_IN) + end


def _restore(fields: list[str]) -> list[str]:
    return [field.replace(_CR_STAND_IN, _CR) for field in fields]


def _ragged(layout: Layout, row: int, line: int, fields: list[str]) -> DataError:
    where = f"{layout.path}, row {row} (line {line})"
    header = layout.header
    if len(fields) < len(header):
        what = f"the row ends before column {header[len(fields)]!r}"
    else:
        what = f"there are {len(fields) - len(header)} more field(s) after the last column {header[-1]!r}"
    return DataError(
        f"{where}: {len(fields)} fields where the header has {len(header)}; {what}. "
        f"A cell that holds {_shown(layout.separator)} or a line end must stand in double quotes."
    )


def _broken(layout: Layout, row: int, line: int, error: csv.Error) -> DataError:
    text = "".join(itertools.islice(decode_lines(layout.path, layout.encoding), line - 1, line + 99))
    column = broken_quote_column(text, layout.separator)
    name = layout.header[column] if column < len(layout.header) else f"number {column + 1}"
    what = "the quote that opens this cell is never closed" if "end of data" in str(error) else "broken quotes"
    return DataError(
        f"{layout.path}, row {row} (line {line}), column {name!r}: {what}. "
        "A quote inside a quoted cell must be doubled; a cell must end where its quotes end."
    )


def broken_quote_column(text: str, separator: str) -> int:
    """Return the index of the field, in text that begins a record, where quoting first breaks.

    Examples
    --------
    >>> broken_quote_column('1,"he said "no"",0', ",")
    1
    """
    position, column = 0, 0
    while position < len(text):
        if text[position] == '"':
            position = _end_of_quoted(text, position + 1)
            if position < 0 or (position < len(text) and text[position] not in (separator, "\r", "\n")):
                return column
        while position < len(text) and text[position] not in (separator, "\n"):
            position += 1
        if position >= len(text) or text[position] == "\n":
            return column
        position, column = position + 1, column + 1
    return column


def _end_of_quoted(text: str, position: int) -> int:
    """Return the offset after the closing quote, -1 if there is none."""
    while (position := text.find('"', position)) >= 0:
        if text[position + 1 : position + 2] != '"':
            return position + 1
        position += 2
    return -1


def _shown(separator: str) -> str:
    return "a tab" if separator == "\t" else f"a {separator!r}"
