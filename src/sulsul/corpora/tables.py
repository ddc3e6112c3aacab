"""What every kind of table offers to the reader: its columns, all of its rows, or its rows batch by batch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from sulsul.corpora.corpus import SourceFile
from sulsul.corpora.encodings import plain_name
from sulsul.errors import DataError, EncodingError

POLARS_FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What Polars raises for a file it cannot read. A damaged Parquet file can make it panic, which is no Exception."""


@dataclass(frozen=True, eq=False)
class TableBlock:
    """Consecutive rows of a table.

    ``frame`` holds the columns that were asked for, ``rows`` their row numbers (from 1, header not counted) and
    ``n_rows`` the number of rows looked at, those without any content included.
    """

    frame: pl.DataFrame
    rows: npt.NDArray[np.int64]
    n_rows: int


class Table(ABC):
    """One file of a source. A context manager: temporary files vanish when it closes.

    ``split_column`` names the column by which the layout itself assigns rows to parts, if it does.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.encoding: str | None = None
        self.quoting: bool | None = None
        self.note: str | None = None
        self.split_column: str | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    @abstractmethod
    def schema(self) -> dict[str, pl.DataType]:
        """Return the columns in order with their types."""

    @abstractmethod
    def head(self, n_rows: int) -> pl.DataFrame:
        """Return the first rows with every column, for guessing what the columns are."""

    @abstractmethod
    def read(self, columns: Sequence[str], limit: int | None) -> TableBlock:
        """Return the given columns of the first ``limit`` rows (None: all)."""

    @abstractmethod
    def batches(self, columns: Sequence[str], batch_rows: int, limit: int | None = None) -> Iterator[TableBlock]:
        """Yield the given columns batch by batch; memory does not grow with the file.

        Rows after the first ``limit`` are not wanted and need not be examined; they may still come.
        """

    def account(self, n_rows: int) -> SourceFile:
        """Return the entry of this file in the audit."""
        return SourceFile(
            name=self.name, n_rows=n_rows, encoding=plain_name(self.encoding), quoting=self.quoting, note=self.note
        )


def numbered(frame: pl.DataFrame, first_row: int = 1) -> TableBlock:
    """Return a block whose rows are numbered one after the other."""
    return TableBlock(frame, np.arange(first_row, first_row + frame.height, dtype=np.int64), frame.height)


def unreadable(name: str, error: BaseException) -> DataError:
    """Return the error for a file that Polars refuses, with its reason in one line."""
    if "utf-8" in str(error).lower():
        return EncodingError(f"{name} is not UTF-8; download it, and give --encoding if it is not recognised.")
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return DataError(f"{name} cannot be read: {reason}.")


class LazyTable(Table):
    """A file that Polars opens by itself and reads as it is asked.

    Parameters
    ----------
    name
        Path or address.
    scan
        Opens it.

    Raises
    ------
    DataError
        If it cannot be opened, with Polars' reason.
    """

    def __init__(self, name: str, scan: Callable[[], pl.LazyFrame]) -> None:
        super().__init__(name)
        try:
            self._lazy = scan()
            self._schema = self._lazy.collect_schema()
        except POLARS_FAILURES as error:
            raise unreadable(name, error) from error

    def schema(self) -> dict[str, pl.DataType]:
        """Return the columns with the types the file gives them."""
        return dict(self._schema)

    def head(self, n_rows: int) -> pl.DataFrame:
        """Return the first rows with every column."""
        return self.read(list(self._schema), n_rows).frame

    def read(self, columns: Sequence[str], limit: int | None) -> TableBlock:
        """Return the given columns of the first rows; raises DataError with Polars' reason."""
        lazy = self._lazy.select(columns)
        try:
            return numbered((lazy if limit is None else lazy.head(limit)).collect())
        except POLARS_FAILURES as error:
            raise unreadable(self.name, error) from error

    def batches(self, columns: Sequence[str], batch_rows: int, limit: int | None = None) -> Iterator[TableBlock]:
        """Yield the given columns batch by batch; raises as :meth:`read` does."""
        row = 1
        try:
            for frame in self._lazy.select(columns).collect_batches(chunk_size=batch_rows, maintain_order=True):
                yield numbered(frame, row)
                row += frame.height
        except POLARS_FAILURES as error:
            raise unreadable(self.name, error) from error
