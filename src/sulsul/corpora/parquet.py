"""Parquet, local or at an address."""

from collections.abc import Iterator, Sequence

import polars as pl

from sulsul.corpora.tables import Table, TableBlock, numbered, unreadable


class ParquetTable(Table):
    """A Parquet file.

    Raises
    ------
    DataError
        If it is no Parquet file, is damaged or cannot be reached.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        try:
            self._lazy = pl.scan_parquet(path, glob=False)
            self._schema = self._lazy.collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise unreadable(path, error) from error

    def schema(self) -> dict[str, pl.DataType]:
        """Return the columns with the types the file gives them."""
        return dict(self._schema)

    def head(self, n_rows: int) -> pl.DataFrame:
        """Return the first rows with every column."""
        return self.read(list(self._schema), n_rows).frame

    def read(self, columns: Sequence[str], limit: int | None) -> TableBlock:
        """Return the given columns of the first rows; raises DataError if a page is damaged."""
        lazy = self._lazy.select(columns)
        try:
            return numbered((lazy if limit is None else lazy.head(limit)).collect())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise unreadable(self.name, error) from error

    def batches(self, columns: Sequence[str], batch_rows: int, limit: int | None = None) -> Iterator[TableBlock]:
        """Yield the given columns batch by batch."""
        return self._lazy_batches(self._lazy.select(columns), batch_rows)
