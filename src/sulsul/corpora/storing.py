"""Bringing a source of any size to disk in one pass: texts as they will be read, labels as numbers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from sulsul.cache import Facts
from sulsul.corpora.columns import ColumnChoice
from sulsul.corpora.corpus import CorpusAudit, SourceFile, locate_row
from sulsul.corpora.labels import clean_labels, kept_rows
from sulsul.corpora.mapped import NO_ID, LabelValues, MappedCorpus, fingerprint_of
from sulsul.corpora.parts import add_audits, separate_sources
from sulsul.corpora.settings import DataSettings, SplitSettings
from sulsul.corpora.sources import resolve_source
from sulsul.corpora.streaming import SourceBlock, iter_blocks
from sulsul.corpora.strings import StringColumn, StringWriter
from sulsul.corpora.texts import TextCounts, join_texts
from sulsul.errors import DataError, LabelError

_BLOCK_ROWS = 8192
_TEXTS, _IDS = "texts", "ids"
_CODES, _ROWS, _PARTS = "label_codes.npy", "rows.npy", "part_codes.npy"


@dataclass
class Interned:
    """A column as numbers: every block's distinct values, and each row's position among all of them."""

    values: list[pl.Series] = field(default_factory=list)
    codes: list[npt.NDArray[np.int32]] = field(default_factory=list)
    n_values: int = 0

    def append(self, column: pl.Series) -> None:
        """Take the cells of a block; any type, nulls and lists included."""
        frame = pl.DataFrame({"value": column}).with_row_index("row")
        groups = frame.group_by("value", maintain_order=True).agg(pl.col("row"))
        codes = np.empty(len(column), np.int32)
        sizes = groups["row"].list.len().to_numpy()
        codes[groups["row"].explode().to_numpy()] = np.repeat(np.arange(len(groups), dtype=np.int32), sizes)
        self.values.append(groups["value"])
        self.codes.append(codes + np.int32(self.n_values))
        self.n_values += len(groups)

    def finish(self, tidy: Callable[[pl.Series], pl.Series], name: str) -> tuple[pl.Series, npt.NDArray[np.int32]]:
        """Return the distinct values after ``tidy``, which sees them all at once, and int32 (B,) positions in them."""
        try:
            column = _stacked(self.values)
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{name}: a column is of different types in different files ({error}).") from error
        again = Interned()
        again.append(tidy(column))
        (codes,) = again.codes
        return again.values[0], codes[np.concatenate(self.codes)]


@dataclass(frozen=True)
class _Part:
    """One source, stored: its audit and, for every text, row number, label and the part the source names."""

    audit: CorpusAudit
    rows: npt.NDArray[np.int64]
    labels: pl.Series
    label_codes: npt.NDArray[np.int32]
    parts: tuple[pl.Series, npt.NDArray[np.int32]] | None


def store_corpus(data: DataSettings, split: SplitSettings, folder: Path) -> Facts:
    """Write a source, and the separate files for validation and test, into an empty folder.

    Texts, labels and counts are those of :func:`sulsul.corpora.parts.read_splits`.

    Raises
    ------
    UsageError, DataError, EncodingError, LabelError
        As :func:`~sulsul.corpora.reading.read_corpus`.
    """
    with StringWriter(folder, _TEXTS) as texts, StringWriter(folder, _IDS) as ids:
        main = _store(data, texts, ids, role="data", split_column=split.column)
        stored, names = [main], ["train"]
        for part, settings in separate_sources(data, split, main.audit):
            stored.append(_store(settings, texts, ids, role=part, all_classes_exist=False))
            names.append(part)
    values, codes = _together(stored, data.source or "")
    starts = np.cumsum([0, *(part.audit.n_rows for part in stored[:-1])])
    np.save(folder / _ROWS, np.concatenate([part.rows + start for part, start in zip(stored, starts, strict=True)]))
    np.save(folder / _CODES, codes)
    multi_label = isinstance(values.dtype, pl.List)
    if main.parts is not None and len(stored) == 1:
        np.save(folder / _PARTS, main.parts[1])
    sizes = np.cumsum([0, *(len(part.rows) for part in stored)]).tolist()
    return {
        "source": data.source,
        "audit": add_audits([part.audit for part in stored]).model_dump(mode="json"),
        "multi_label": multi_label,
        "label_values": values.to_list(),
        "part_values": main.parts[0].to_list() if main.parts is not None and len(stored) == 1 else None,
        "spans": [[name, *sizes[i : i + 2]] for i, name in enumerate(names)],
        "fingerprint": fingerprint_of(StringColumn(folder, _TEXTS), codes, values.to_list(), multi_label=multi_label),
    }


def open_stored(folder: Path, facts: Facts) -> MappedCorpus:
    """Open what :func:`store_corpus` wrote and said of it."""
    values: Any = facts["label_values"]
    parts: Any = facts["part_values"]
    audit = CorpusAudit.model_validate(facts["audit"])
    label_values: LabelValues = values
    return MappedCorpus(
        texts=StringColumn(folder, _TEXTS),
        label_codes=np.load(folder / _CODES),
        label_values=label_values,
        multi_label=bool(facts["multi_label"]),
        ids=None if audit.id_column is None else StringColumn(folder, _IDS),
        rows=np.load(folder / _ROWS),
        source=str(facts["source"]),
        audit=audit,
        fingerprint=str(facts["fingerprint"]),
        part_codes=None if parts is None else np.load(folder / _PARTS),
        part_values=() if parts is None else tuple("" if value is None else value for value in parts),
    )


def spans_of(facts: Facts) -> dict[str, npt.NDArray[np.int64]]:
    """Return the positions of the texts of every separate source, by part."""
    spans: Any = facts["spans"]
    return {name: np.arange(start, end, dtype=np.int64) for name, start, end in spans}


def _store(
    settings: DataSettings,
    texts: StringWriter,
    ids: StringWriter,
    *,
    role: str,
    split_column: str | None = None,
    all_classes_exist: bool = True,
) -> _Part:
    source = resolve_source(settings, role=role)

    def blocks(data: DataSettings) -> Iterator[SourceBlock]:
        return iter_blocks(source, data, _BLOCK_ROWS, labels="required", split_column=split_column)

    kept = _kept(blocks, settings, source.name, all_classes_exist) if settings.keep_classes else None
    labels, parts, rows = Interned(), Interned(), [np.zeros(0, np.int64)]
    counts, n_content = TextCounts(), 0
    columns: tuple[str, ...] = ()
    files: tuple[SourceFile, ...] = ()
    choice: ColumnChoice | None = None
    for table, block, choice, so_far in blocks(settings):
        files = so_far
        columns = columns or tuple(table.schema())
        frame, numbers = block.frame, block.rows
        n_content += frame.height
        if kept is not None:
            mask = kept.mask[n_content - len(numbers) : n_content]
            frame, numbers = frame.filter(pl.Series(mask)), numbers[mask]
        joined, counted = join_texts(frame, choice.text, name=source.name)
        counts += counted
        texts.append(joined)
        ids.append(_ids(frame, choice))
        assert choice.label is not None  # the columns were chosen with labels required
        labels.append(frame[choice.label])
        if choice.split is not None:
            parts.append(frame[choice.split].cast(pl.String))
        rows.append(numbers)
    if choice is None or not n_content:
        raise DataError(f"{source.name} has no rows.")
    all_rows = np.concatenate(rows)
    if not len(all_rows):
        raise DataError(f"{source.name} has no row of the classes {', '.join(settings.keep_classes)}.")
    tidy = kept.tidy if kept is not None else _tidy(settings, source.name)
    values, codes = labels.finish(tidy, source.name)
    _require_labels(values, codes, all_rows, files, choice.label, source.name)
    audit = CorpusAudit(
        n_rows=sum(file.n_rows for file in files),
        n_texts=len(all_rows),
        n_blank_rows=sum(file.n_rows for file in files) - n_content,
        n_dropped_by_class=0 if kept is None else n_content - len(all_rows),
        dropped_classes={} if kept is None else kept.dropped,
        files=files,
        columns=columns,
        text_columns=choice.text,
        label_column=choice.label,
        id_column=choice.id,
        split_column=choice.split,
        guess=choice.guess,
        **asdict(counts),
    )
    named = parts.finish(lambda column: column, source.name) if choice.split is not None else None
    return _Part(audit, all_rows, values, codes, named)


@dataclass(frozen=True)
class _Kept:
    """Which rows are of the classes asked for: ``mask`` bool (B,); ``tidy`` cleans the labels of those."""

    mask: npt.NDArray[np.bool_]
    dropped: dict[str, int]
    tidy: Callable[[pl.Series], pl.Series]


def _kept(
    blocks: Callable[[DataSettings], Iterator[SourceBlock]], settings: DataSettings, name: str, all_exist: bool
) -> _Kept:
    """Go through the labels once, as which rows are kept depends on all of them."""
    labels = Interned()
    for _, block, choice, _ in blocks(settings):
        assert choice.label is not None
        labels.append(block.frame[choice.label])
    if not labels.values:
        raise DataError(f"{name} has no rows.")
    clean = _tidy(settings, name)
    values, codes = labels.finish(clean, name)
    _, chosen = kept_rows(values, settings.keep_classes, name=name, all_exist=all_exist)
    mask = chosen.to_numpy()[codes]
    counts = np.bincount(codes, minlength=len(values)).tolist()
    dropped: dict[str, int] = {}
    if not isinstance(values.dtype, pl.List):
        pairs = zip(values.to_list(), counts, chosen.to_list(), strict=True)
        dropped = dict(sorted((str(value), n) for value, n, keep in pairs if not keep and value is not None))

    def tidy(column: pl.Series) -> pl.Series:
        # What is left is cleaned as it was among all the others.
        together = clean(_stacked([*labels.values, column]))
        return kept_rows(together.tail(len(column)), settings.keep_classes, name=name, all_exist=False)[0]

    return _Kept(mask, dropped, tidy)


def _tidy(settings: DataSettings, name: str) -> Callable[[pl.Series], pl.Series]:
    return lambda column: clean_labels(column, settings.label_separator, name=name)


def _ids(frame: pl.DataFrame, choice: ColumnChoice) -> pl.Series:
    if choice.id is None:
        return pl.Series([NO_ID] * frame.height, dtype=pl.String)
    return frame[choice.id].cast(pl.String).fill_null(NO_ID)


def _require_labels(
    values: pl.Series,
    codes: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int64],
    files: tuple[SourceFile, ...],
    column: str | None,
    name: str,
) -> None:
    missing = values.is_null().to_numpy()[codes]
    if missing.any():
        first = locate_row(files, int(rows[np.argmax(missing)]), name)
        raise LabelError(
            f"{first}, column {column!r}: no label ({missing.sum()} such row(s)). "
            "Remove these rows, or name the classes to use with --keep-classes."
        )


def _together(stored: Sequence[_Part], name: str) -> tuple[pl.Series, npt.NDArray[np.int32]]:
    """Return the labels of all sources as numbers of one list of values."""
    if len({part.labels.dtype for part in stored}) > 1:
        raise DataError(f"{name} and its validation or test file do not have labels of the same kind.")
    interned = Interned()
    for part in stored:
        interned.values.append(part.labels)
        interned.codes.append(part.label_codes + np.int32(interned.n_values))
        interned.n_values += len(part.labels)
    return interned.finish(lambda column: column, name)


def _stacked(columns: Sequence[pl.Series]) -> pl.Series:
    """Return the columns one below the other, in a type that holds all of them."""
    return pl.concat([column.to_frame("value") for column in columns], how="vertical_relaxed").to_series()
