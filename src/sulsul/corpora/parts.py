"""A corpus with its splits, whether they are drawn, named by a column or kept in separate files."""

from dataclasses import replace

import numpy as np
import polars as pl

from sulsul.corpora.corpus import Corpus, CorpusAudit
from sulsul.corpora.reading import read_corpus
from sulsul.corpora.settings import DataSettings, SplitSettings
from sulsul.corpora.splits import Splits, complete_splits, split_corpus
from sulsul.errors import DataError


def read_splits(data: DataSettings, split: SplitSettings, *, drop_without_label: bool = False) -> tuple[Corpus, Splits]:
    """Read a corpus and divide it as the settings say.

    With ``validation_source`` or ``test_source`` the texts of those files follow the others in the corpus, read with
    the same columns; only the part without a file of its own is taken from the main source. With
    ``drop_without_label`` rows of the main source that have no label are left out instead of refused.

    Raises
    ------
    UsageError, DataError, EncodingError, LabelError
        As :func:`~sulsul.corpora.reading.read_corpus`.
    SplitError
        As :func:`~sulsul.corpora.splits.split_corpus`.
    """
    main = read_corpus(data, split_column=split.column, labels="partial" if drop_without_label else "required")
    if drop_without_label and main.labels is not None and main.labels.null_count():
        main = main.select(main.labels.is_not_null().arg_true().to_numpy().astype(np.int64))
    if split.validation_source is None and split.test_source is None:
        return main, split_corpus(main, split)
    corpora, assigned = [replace(main, split_values=None)], {"train": _span(0, len(main))}
    for part, settings in separate_sources(data, split, main.audit):
        found = read_corpus(settings, role=part, all_classes_exist=False)
        start = sum(map(len, corpora))
        assigned[part] = _span(start, start + len(found))
        corpora.append(replace(found, split_values=None))
    notes = separate_notes(split)
    together = concatenate(corpora)
    return together, complete_splits(together, assigned, split, notes)


def separate_sources(data: DataSettings, split: SplitSettings, audit: CorpusAudit) -> list[tuple[str, DataSettings]]:
    """Return the parts that have files of their own, and how these are read: with the columns of the main source."""
    same_columns = {"text": audit.text_columns, "label": audit.label_column, "id": data.id, "limit": None}
    return [(part, data.model_copy(update={"source": source, **same_columns})) for part, source in _separate(split)]


def separate_notes(split: SplitSettings) -> list[str]:
    """Return in words which parts have files of their own."""
    return [f"{part} from {source}" for part, source in _separate(split)]


def _separate(split: SplitSettings) -> list[tuple[str, str]]:
    named = (("validation", split.validation_source), ("test", split.test_source))
    return [(part, source) for part, source in named if source is not None]


def concatenate(corpora: list[Corpus]) -> Corpus:
    """Return the texts of several corpora one after the other; rows number on, and the audits are added up.

    Raises
    ------
    DataError
        If some have labels and others none, one is multi-label and another is not, or they hold token ids.
    """
    if len({(corpus.labels is None, corpus.multi_label) for corpus in corpora}) > 1:
        raise DataError(f"{corpora[0].source} and {corpora[1].source} do not have labels of the same kind.")
    if any(corpus.sequences is not None for corpus in corpora):
        raise DataError(f"{corpora[0].source}: token-id archives name their own parts; no separate files can be added.")
    starts = np.cumsum([0, *(corpus.audit.n_rows for corpus in corpora[:-1])])
    labels = [corpus.labels for corpus in corpora if corpus.labels is not None]
    ids = [_ids(corpus) for corpus in corpora]
    return Corpus(
        texts=pl.concat([corpus.texts for corpus in corpora]),
        labels=pl.concat(labels) if labels else None,
        ids=pl.concat(ids) if any(corpus.ids is not None for corpus in corpora) else None,
        rows=np.concatenate([corpus.rows + start for corpus, start in zip(corpora, starts, strict=True)]),
        source=corpora[0].source,
        audit=add_audits([corpus.audit for corpus in corpora]),
    )


def _span(start: int, end: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(start, end, dtype=np.int64)


def _ids(corpus: Corpus) -> pl.Series:
    return corpus.ids if corpus.ids is not None else pl.Series("id", [None] * len(corpus), dtype=pl.String)


def add_audits(audits: list[CorpusAudit]) -> CorpusAudit:
    """Return what was counted in several sources together."""
    counts = {
        name: sum(getattr(audit, name) for audit in audits)
        for name in CorpusAudit.model_fields
        if name.startswith("n_")
    }
    dropped: dict[str, int] = {}
    for audit in audits:
        for label, n in audit.dropped_classes.items():
            dropped[label] = dropped.get(label, 0) + n
    files = tuple(file for audit in audits for file in audit.files)
    return audits[0].model_copy(update={**counts, "dropped_classes": dropped, "files": files})
