"""The parts of a run's record that describe its data, texts and model."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from sulsul.corpora import Corpus
from sulsul.corpora.mapped import MappedCorpus
from sulsul.ensemble import Ensemble
from sulsul.model.summary import summarise
from sulsul.preparation import PreparedSplit
from sulsul.report.lengths import summarise_lengths
from sulsul.report.record import (
    DataSummary,
    LayerRow,
    ModelSummary,
    Split,
    TextSummary,
)
from sulsul.report.scripts import script_shares
from sulsul.text import LabelEncoder, Tokenizer

_SCRIPT_SAMPLE = 2_000


def data_summary(
    corpus: Corpus | MappedCorpus, labels: LabelEncoder, splits: Mapping[Split, PreparedSplit], *, note: str = ""
) -> DataSummary:
    """Say which rows were used and how they were divided."""
    audit = corpus.audit
    return DataSummary(
        source=corpus.source,
        fingerprint=corpus.fingerprint,
        n_rows=audit.n_rows,
        n_empty=audit.n_empty,
        n_missing=audit.n_missing,
        n_dropped=audit.n_dropped_by_class,
        text_columns=audit.text_columns,
        label_column=audit.label_column,
        classes=labels.classes,
        split_sizes={name: len(split.rows) for name, split in splits.items()},
        split_note=note,
        class_counts={name: _class_counts(split, len(labels.classes)) for name, split in splits.items()},
        scripts=script_shares(corpus.evenly(_SCRIPT_SAMPLE)),
    )


def text_summary(tokenizer: Tokenizer, splits: Mapping[Split, PreparedSplit]) -> TextSummary:
    """Say how texts became tokens; lengths are those of the training split, or of the only split there is."""
    described = splits.get("train") or next(iter(splits.values()))
    return TextSummary(
        tokenizer=tokenizer.settings.tokenizer,
        ngrams=tokenizer.settings.ngrams,
        vocabulary_size=tokenizer.vocabulary_size,
        oov_rate={name: split.unknown_share for name, split in splits.items()},
        lengths=summarise_lengths(
            described.full_lengths, max_length=tokenizer.settings.max_length, pad_to=tokenizer.settings.pad_to
        )
        if len(described.rows)
        else None,
    )


def model_summary(ensemble: Ensemble, name: str) -> ModelSummary:
    """Describe the network as Keras would; the members of an ensemble are alike."""
    summary = summarise(ensemble.first)
    layers = tuple(
        LayerRow(
            name=f"{row.name} ({row.layer_class})", output_shape=str(row.output_shape), parameters=row.n_parameters
        )
        for row in summary.rows
    )
    return ModelSummary(
        name=name,
        layers=layers,
        n_parameters=summary.n_parameters,
        backend=summary.backend,
        n_members=len(ensemble.members),
    )


def _class_counts(split: PreparedSplit, n_classes: int) -> tuple[int, ...]:
    class_ids: npt.NDArray[np.generic] | None = split.encoded.class_ids
    assert class_ids is not None
    counts = class_ids.sum(axis=0) if class_ids.ndim == 2 else np.bincount(class_ids, minlength=n_classes)
    return tuple(int(count) for count in counts)
