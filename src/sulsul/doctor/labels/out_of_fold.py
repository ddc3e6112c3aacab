"""Probabilities of every labelled text by a model that was trained without it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from sulsul.choices import settle
from sulsul.corpora import Corpus, Splits
from sulsul.doctor.labels.folds import grouped_folds
from sulsul.evaluation.baselines import LinearBaseline, fit_linear_baseline
from sulsul.evaluation.logits import probabilities_of_logits
from sulsul.evaluation.ngrams import Unit
from sulsul.fitting import build_classifier, fit_ensemble, fit_wide_part, strongest
from sulsul.preparation import prepare_splits
from sulsul.specification import RunSpecification
from sulsul.text import LabelEncoder
from sulsul.training import MembersListener

Rows = npt.NDArray[np.int64]
_TENTH = 10


@dataclass(frozen=True)
class FoldsListener:
    """What is called while folds are worked through; ``on_fold`` with the number from 0 and how many there are."""

    on_fold: Callable[[int, int], object] = lambda fold, n_folds: None
    training: MembersListener = field(default_factory=MembersListener)


def linear_probabilities(
    texts: pl.Series,
    class_ids: npt.NDArray[Any],
    fold_of: Rows,
    *,
    n_classes: int,
    seed: int,
    listener: FoldsListener,
) -> npt.NDArray[np.float64]:
    """Return the probabilities (B, C) of texts by tuned linear models, each fitted on the other folds.

    Words or characters, and C, are chosen inside the texts beside the first fold and kept for the others.

    Raises
    ------
    LabelError
        If the texts beside a fold hold fewer than two classes.
    """
    probabilities = np.zeros((len(texts), n_classes))
    n_folds = int(fold_of.max()) + 1
    chosen: tuple[Unit, float] | None = None
    for fold in range(n_folds):
        listener.on_fold(fold, n_folds)
        fitted, held_out = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        known, labels = texts.gather(pl.Series(fitted)), class_ids[fitted]
        model = _fit(known, labels, chosen, n_classes=n_classes, seed=seed)
        strength = model.settings["C"]
        assert isinstance(strength, float)
        chosen = model.unit, strength
        logits = model.classifier.logits(texts.gather(pl.Series(held_out)))
        probabilities[held_out] = probabilities_of_logits(logits, multi_label=class_ids.ndim == 2)
    return probabilities


def _fit(
    texts: pl.Series, class_ids: npt.NDArray[Any], chosen: tuple[Unit, float] | None, *, n_classes: int, seed: int
) -> LinearBaseline:
    if chosen is not None:
        unit, strength = chosen
        return fit_linear_baseline(texts, class_ids, unit, n_classes=n_classes, seed=seed, strength=strength)
    units: tuple[Unit, ...] = ("word", "char")
    return strongest([fit_linear_baseline(texts, class_ids, unit, n_classes=n_classes, seed=seed) for unit in units])


def recurrent_probabilities(
    corpus: Corpus, labels: LabelEncoder, fold_of: Rows, specification: RunSpecification, listener: FoldsListener
) -> npt.NDArray[np.float64]:
    """Return the probabilities (B, C) of texts by what a specification trains, once without each fold.

    A tenth of the other texts, dealt as the folds are, is the validation split of each training.

    Raises
    ------
    SulsulError
        As preparing and training do.
    """
    probabilities = np.zeros((len(corpus), len(labels.classes)))
    n_folds = int(fold_of.max()) + 1
    assert corpus.labels is not None
    class_ids = labels.encode(corpus.labels, corpus.rows, source=corpus.source)
    for fold in range(n_folds):
        listener.on_fold(fold, n_folds)
        others, held_out = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        of_validation = grouped_folds(np.full(len(others), -1), class_ids[others], _TENTH, seed=fold) == 0
        splits = Splits(others[~of_validation], others[of_validation], held_out, note=f"fold {fold + 1}")
        probabilities[held_out] = trained_without(splits, corpus, labels, specification, listener.training)
    return probabilities


def trained_without(
    splits: Splits, corpus: Corpus, labels: LabelEncoder, specification: RunSpecification, listener: MembersListener
) -> npt.NDArray[np.floating]:
    """Return the probabilities (B, C) of the test rows by what a specification trains on the others."""
    data = prepare_splits(corpus, splits, specification, labels=labels)
    specification, _ = settle(specification, data.facts)
    fitted = fit_ensemble(
        specification,
        data,
        lambda member: build_classifier(specification, data, member=member),
        wide=fit_wide_part(specification, data),
        listener=listener,
    )
    ensemble = fitted.ensemble
    return ensemble.probabilities(ensemble.logits(data.splits["test"].encoded, data.texts("test")))
