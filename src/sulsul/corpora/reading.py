"""Reading a source into a corpus."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import polars as pl

from sulsul.corpora.columns import ColumnChoice, Labels, choose_columns
from sulsul.corpora.corpus import Corpus, CorpusAudit, Sequences, SourceFile, locate_row, select_sequences
from sulsul.corpora.delimited import DelimitedTable, RemoteDelimitedTable
from sulsul.corpora.folders import FolderTable
from sulsul.corpora.jsonl import JsonLinesTable, RemoteJsonLinesTable
from sulsul.corpora.labels import clean_labels, kept_rows
from sulsul.corpora.npz import NpzTable
from sulsul.corpora.parquet import ParquetTable
from sulsul.corpora.settings import DataSettings
from sulsul.corpora.sources import ResolvedSource, resolve_source
from sulsul.corpora.tables import Table, TableBlock
from sulsul.corpora.texts import join_texts
from sulsul.errors import DataError, LabelError

_HEAD_ROWS = 1000


def read_corpus(
    settings: DataSettings,
    *,
    role: str = "data",
    labels: Labels = "required",
    split_column: str | None = None,
    all_classes_exist: bool = True,
) -> Corpus:
    """Read a table, folder or archive of texts with their labels.

    Parameters
    ----------
    settings
        Where it is and which columns, classes and rows to use.
    role
        What the source is to the caller (``data``, ``validation`` …), for messages.
    labels
        Whether every row must have a label (``required``), only some need have one (``partial``), labels are read if
        there is a column of them, or none are wanted.
    split_column
        A column whose values go to :attr:`Corpus.split_values`.
    all_classes_exist
        Whether each class in ``settings.keep_classes`` must occur.

    Raises
    ------
    UsageError
        If no source is given, or columns are not named and cannot be guessed.
    DataError
        If the source is missing, empty or malformed, a named column or class does not exist, or the columns of
        several files differ; the message names file, row and column.
    EncodingError
        If bytes are undecodable; the message names file, byte offset and row.
    LabelError
        If a row has no label although ``labels`` is ``required``.
    """
    source = resolve_source(settings, role=role)
    blocks: list[TableBlock] = []
    files: list[SourceFile] = []
    choice: ColumnChoice | None = None
    columns: tuple[str, ...] = ()
    held: tuple[Sequences | None, dict[str, int] | None] = (None, None)
    remaining = settings.limit
    for path in source.paths:
        if remaining == 0:
            break
        with open_table(source, path, settings) as table:
            if choice is None:
                choice = choose_table_columns(table, settings, labels=labels, split=split_column)
                columns = tuple(table.schema())
            require_columns(table, choice)
            block = table.read(choice.all, remaining)
            blocks.append(block)
            files.append(table.account(block.n_rows))
            if isinstance(table, NpzTable):
                held = table.sequences, table.word_index
        remaining = None if remaining is None else remaining - block.n_rows
    assert choice is not None
    corpus = assemble(
        source.name,
        blocks,
        files,
        choice,
        settings,
        columns=columns,
        labels=labels,
        all_classes_exist=all_classes_exist,
    )
    return with_sequences(corpus, *held)


def with_sequences(corpus: Corpus, sequences: Sequences | None, word_index: dict[str, int] | None) -> Corpus:
    """Return the corpus with the token ids of its rows, where its source holds any."""
    if sequences is None:
        return corpus
    return replace(corpus, sequences=select_sequences(sequences, corpus.rows - 1), word_index=word_index)


def open_table(source: ResolvedSource, path: str, settings: DataSettings) -> Table:
    """Return the open table of one file of a source."""
    table = _table(source, path, settings)
    table.split_column = table.split_column or source.split_column
    return table


def _table(source: ResolvedSource, path: str, settings: DataSettings) -> Table:
    # Polars unpacks zstd, Python's own library does not.
    opaque = source.remote or path.endswith(".zst")
    match source.format:
        case "csv" | "tsv":
            separator = "," if source.format == "csv" else "\t"
            if opaque:
                return RemoteDelimitedTable(path, separator, settings.encoding)
            return DelimitedTable(Path(path), separator, settings.encoding)
        case "parquet":
            return ParquetTable(path)
        case "jsonl":
            if opaque:
                return RemoteJsonLinesTable(path, settings.encoding)
            return JsonLinesTable(Path(path), settings.encoding)
        case "folder":
            return FolderTable(Path(path), settings.encoding)
        case "npz":
            if len(source.paths) > 1:
                raise DataError(f"{source.name} matches several .npz archives; read them one at a time.")
            return NpzTable(Path(path), None if settings.word_index is None else Path(settings.word_index))


def assemble(
    name: str,
    blocks: Sequence[TableBlock],
    files: Sequence[SourceFile],
    choice: ColumnChoice,
    settings: DataSettings,
    *,
    columns: Sequence[str],
    labels: Labels,
    all_classes_exist: bool = True,
) -> Corpus:
    """Build the corpus of the rows that were read: texts, labels, ids, kept classes and the account of it all."""
    frame, rows = _stack(blocks, name)
    n_rows = sum(block.n_rows for block in blocks)
    if not frame.height:
        raise DataError(f"{name} has no rows.")
    cleaned = None if choice.label is None else clean_labels(frame[choice.label], settings.label_separator, name=name)
    dropped: dict[str, int] = {}
    if settings.keep_classes and cleaned is not None:
        cleaned, mask = kept_rows(cleaned, settings.keep_classes, name=name, all_exist=all_classes_exist)
        dropped = _count_classes(cleaned.filter(~mask))
        n_before = frame.height
        cleaned, frame, rows = cleaned.filter(mask), frame.filter(mask), rows[mask.to_numpy()]
    n_without_label = 0 if cleaned is None else cleaned.null_count()
    if n_without_label and labels == "required":
        first = locate_row(tuple(files), int(rows[cleaned.is_null().arg_true()[0]]), name)  # type: ignore[union-attr]
        raise LabelError(
            f"{first}, column {choice.label!r}: no label ({n_without_label} such row(s)). "
            "Remove these rows, name the classes to use with --keep-classes, or pretrain on such rows with "
            "--unlabelled (it takes this file too)."
        )
    if not frame.height:
        raise DataError(f"{name} has no row of the classes {', '.join(settings.keep_classes)}.")
    texts, counts = join_texts(frame, choice.text, name=name)
    audit = CorpusAudit(
        n_rows=n_rows,
        n_texts=frame.height,
        n_blank_rows=n_rows - sum(block.frame.height for block in blocks),
        n_without_label=n_without_label,
        n_dropped_by_class=n_before - frame.height if settings.keep_classes and cleaned is not None else 0,
        dropped_classes=dropped,
        files=tuple(files),
        columns=tuple(columns),
        text_columns=choice.text,
        label_column=choice.label,
        id_column=choice.id,
        split_column=choice.split,
        guess=choice.guess,
        **asdict(counts),
    )
    return Corpus(
        texts=texts,
        labels=cleaned,
        ids=None if choice.id is None else frame[choice.id].cast(pl.String).alias("id"),
        rows=rows,
        source=name,
        audit=audit,
        split_values=None if choice.split is None else frame[choice.split].cast(pl.String).alias("split"),
    )


def choose_table_columns(
    table: Table, settings: DataSettings, *, labels: Labels, split: str | None = None
) -> ColumnChoice:
    """Return the columns to read from a table, looking at its first rows only if something must be guessed."""
    needs_head = not settings.text or (settings.label is None and labels in {"required", "partial"})
    head = table.head(min(_HEAD_ROWS, settings.limit or _HEAD_ROWS)) if needs_head else None
    split = split or table.split_column
    return choose_columns(table.schema(), head, settings, name=table.name, labels=labels, split=split)


def require_columns(table: Table, choice: ColumnChoice) -> None:
    """Make sure that a further file has the columns of the first; raises DataError if not."""
    schema = table.schema()
    if missing := [column for column in choice.all if column not in schema]:
        raise DataError(
            f"{table.name}: there is no column {missing[0]!r}, which the files before it have; "
            f"there are {', '.join(map(repr, schema))}."
        )


def _stack(blocks: Sequence[TableBlock], name: str) -> tuple[pl.DataFrame, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    if len(blocks) == 1:
        return blocks[0].frame, blocks[0].rows
    starts = np.cumsum([0, *(block.n_rows for block in blocks[:-1])])
    rows = np.concatenate([block.rows + start for block, start in zip(blocks, starts, strict=True)])
    try:
        return pl.concat([block.frame for block in blocks], how="vertical_relaxed"), rows
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{name}: a column is of different types in different files ({error}).") from error


def _count_classes(labels: pl.Series) -> dict[str, int]:
    if isinstance(labels.dtype, pl.List):
        return {}
    return {str(label): int(n) for label, n in sorted(labels.drop_nulls().value_counts().rows())}
