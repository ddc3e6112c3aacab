"""Texts and targets become the encoded data that training takes."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from sulsul.corpora import Corpus, split_corpus
from sulsul.corpora.corpus import CorpusAudit
from sulsul.errors import InputError
from sulsul.estimator.further import undivided
from sulsul.estimator.targets import Targets, class_names, encoder_of
from sulsul.predictor import Predictor
from sulsul.preparation import PreparedData, prepare_splits
from sulsul.specification import RunSpecification
from sulsul.text.normalisation import normalise


def prepared(
    texts: list[str],
    targets: Targets,
    specification: RunSpecification,
    continued: Predictor | None,
    *,
    divided: bool = True,
) -> PreparedData:
    """Split, unless all texts are to be trained on, and encode; a classifier that exists gives tokenizer and labels.

    Raises
    ------
    DataError
        If the texts cannot be split as asked.
    """
    corpus = Corpus(
        texts=pl.Series(values=[normalise(text) for text in texts], dtype=pl.String),
        labels=targets.names,
        ids=None,
        rows=np.arange(1, len(texts) + 1),
        source="X",
        audit=CorpusAudit(n_rows=len(texts), n_texts=len(texts), n_empty=sum(not text.strip() for text in texts)),
    )
    splits = split_corpus(corpus, specification.split) if divided else undivided(len(texts))
    labels = encoder_of(targets) if continued is None else continued.bundle.labels
    tokenizer = None if continued is None else continued.bundle.tokenizer
    return prepare_splits(corpus, splits, specification, labels=labels, tokenizer=tokenizer)


def continuing(specification: RunSpecification, continued: Predictor) -> RunSpecification:
    """Return the specification for a warm start or a further pass: text and model are those of the network there is.

    Raises
    ------
    InputError
        If they are not.
    """
    before = continued.bundle.specification
    if "ensemble.members" in specification.choose:
        left = tuple(setting for setting in specification.choose if setting != "ensemble.members")
        specification = specification.model_copy(update={"ensemble": before.ensemble, "choose": left})
    kept = ("model", "text", "ensemble", "wide")
    if any(getattr(specification, section) != getattr(before, section) for section in kept):
        raise InputError(
            "warm_start and partial_fit continue the network of the last fit, but parameters of the text or the model "
            "have changed; fit with warm_start=False builds a new one."
        )
    return specification


def in_classes(targets: Targets, classes: npt.NDArray[Any], continued: Predictor) -> Targets:
    """Return the targets of a warm start in the classes of the network that exists.

    Raises
    ------
    InputError
        If there are others among them.
    """
    unknown = sorted(set(class_names(targets.classes)) - set(class_names(classes)))
    if unknown or targets.multi_label != continued.multi_label:
        raise InputError(
            f"warm_start continues a classifier of the classes {', '.join(continued.classes)}, but y holds "
            f"{', '.join(unknown) or 'labels of another kind'}; set warm_start=False to learn them."
        )
    return Targets(classes, targets.names, targets.multi_label)


def weighted(data: PreparedData, weights: npt.NDArray[np.float32]) -> PreparedData:
    """Return the data with the weights of its training rows."""
    train = data.train
    encoded = replace(train.encoded, sample_weights=weights[train.rows])
    return replace(data, splits={**data.splits, "train": replace(train, encoded=encoded)})
