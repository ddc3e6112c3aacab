"""Parquet, local or at an address."""

import polars as pl

from sulsul.corpora.tables import LazyTable


class ParquetTable(LazyTable):
    """A Parquet file.

    Raises
    ------
    DataError
        If it is no Parquet file, is damaged or cannot be reached.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, lambda: pl.scan_parquet(path, glob=False))
