"""Reading a source batch by batch at constant memory, for predictions."""

import itertools
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import polars as pl

from sulsul.corpora.columns import ColumnChoice, Labels
from sulsul.corpora.corpus import Corpus, SourceFile
from sulsul.corpora.encodings import named_encoding, plain_name, undecodable
from sulsul.corpora.npz import NpzTable
from sulsul.corpora.reading import assemble, choose_table_columns, open_table, require_columns, with_sequences
from sulsul.corpora.settings import DataSettings
from sulsul.corpora.sources import ResolvedSource, resolve_source
from sulsul.corpora.tables import Table, TableBlock, numbered
from sulsul.errors import DataError

STANDARD_INPUT = "-"


def iter_texts(
    settings: DataSettings, batch_rows: int, *, labels: Labels = "ignored", stream: BinaryIO | None = None
) -> Iterator[Corpus]:
    """Yield the texts of a source in corpora of at most ``batch_rows`` texts; memory does not grow with the source.

    Parameters
    ----------
    settings
        As for :func:`~sulsul.corpora.reading.read_corpus`. The source ``-`` is standard input: one text per line, or
        a table if a format is given.
    batch_rows
        Number of texts held at a time.
    labels
        Whether labels are read as well.
    stream
        Standard input, where it is not the process's own.

    Raises
    ------
    UsageError, DataError, EncodingError, LabelError
        As ``read_corpus`` does. Local CSV, TSV and npz files are examined as a whole before the first batch; in other
        formats a broken row is met after the batches before it.
    """
    if settings.source == STANDARD_INPUT:
        source = stream or sys.stdin.buffer
        if settings.format == "auto":
            yield from _lines(source, settings, batch_rows)
            return
        with tempfile.TemporaryDirectory(prefix="sulsul-") as folder:
            spooled = Path(folder) / f"standard-input.{settings.format}"
            with spooled.open("wb") as file:
                shutil.copyfileobj(source, file)
            yield from _tables(settings.model_copy(update={"source": str(spooled)}), batch_rows, labels)
        return
    yield from _tables(settings, batch_rows, labels)


class SourceBlock(NamedTuple):
    """Consecutive rows of a source: numbered from 1 on through all its files, which ``files`` lists so far."""

    table: Table
    block: TableBlock
    choice: ColumnChoice
    files: tuple[SourceFile, ...]


def iter_blocks(
    source: ResolvedSource,
    settings: DataSettings,
    batch_rows: int,
    *,
    labels: Labels = "ignored",
    split_column: str | None = None,
) -> Iterator[SourceBlock]:
    """Yield the rows of a source as they stand in its tables, at most ``batch_rows`` at a time; see :func:`iter_texts`.

    Rows without any content are left out but numbered. The last entry of ``files`` counts the rows up to the block's
    last one.
    """
    choice: ColumnChoice | None = None
    before: list[SourceFile] = []
    for path in source.paths:
        n_before = sum(file.n_rows for file in before)
        remaining = None if settings.limit is None else settings.limit - n_before
        if remaining == 0:
            return
        with open_table(source, path, settings) as table:
            if choice is None:
                choice = choose_table_columns(table, settings, labels=labels, split=split_column)
            require_columns(table, choice)
            n_rows = 0
            for block in table.batches(choice.all, batch_rows, remaining):
                kept = block if remaining is None else _first_rows(block, remaining)
                n_rows += kept.n_rows
                if kept.frame.height:
                    shifted = TableBlock(kept.frame, kept.rows + n_before, kept.n_rows)
                    yield SourceBlock(table, shifted, choice, (*before, table.account(int(kept.rows[-1]))))
                if remaining is not None and int(block.rows[-1]) >= remaining:
                    return
            before.append(table.account(n_rows))
    if not sum(file.n_rows for file in before):
        raise DataError(f"{source.name} has no rows.")


def _tables(settings: DataSettings, batch_rows: int, labels: Labels) -> Iterator[Corpus]:
    source = resolve_source(settings)
    for table, block, choice, files in iter_blocks(source, settings, batch_rows, labels=labels):
        held = (table.sequences, table.word_index) if isinstance(table, NpzTable) else (None, None)
        corpus = assemble(source.name, [block], files, choice, settings, columns=choice.all, labels=labels)
        yield with_sequences(corpus, *held)


def _first_rows(block: TableBlock, last_row: int) -> TableBlock:
    n_kept = int(np.searchsorted(block.rows, last_row, side="right"))
    return TableBlock(block.frame.head(n_kept), block.rows[:n_kept], min(block.n_rows, last_row))


def _lines(stream: BinaryIO, settings: DataSettings, batch_rows: int) -> Iterator[Corpus]:
    encoding = "utf-8-sig" if settings.encoding == "auto" else named_encoding(settings.encoding)
    choice = ColumnChoice(("text",), None, None, None, None)
    row, offset = 0, 0
    lines = itertools.islice(stream, settings.limit)
    while batch := list(itertools.islice(lines, batch_rows)):
        texts = []
        for number, line in enumerate(batch, start=row + 1):
            try:
                texts.append(line.rstrip(b"\r\n").decode(encoding if number == 1 else encoding.removesuffix("-sig")))
            except UnicodeDecodeError as error:
                where = f", line {number}"
                raise undecodable(
                    "standard input", offset + error.start, line[error.start], plain_name(encoding), where
                ) from None
            offset += len(line)
        frame = pl.DataFrame({"text": texts}, schema={"text": pl.String})
        account = SourceFile(name="standard input", n_rows=row + len(batch), encoding=plain_name(encoding))
        yield assemble(
            "standard input",
            [numbered(frame, row + 1)],
            [account],
            choice,
            settings,
            columns=("text",),
            labels="ignored",
        )
        row += len(batch)
