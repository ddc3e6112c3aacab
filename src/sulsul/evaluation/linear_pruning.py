"""A linear model on fewer n-grams: those whose weights move answers most."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sulsul.evaluation.linear_classifier import LinearClassifier
from sulsul.evaluation.ngrams import TfidfFeatures


def prune_linear(model: LinearClassifier, n_features: int) -> LinearClassifier:
    """Return the model without all but the n-grams of the largest weights.

    What counts is the largest weight of an n-gram for any class times its inverse document frequency, as that is what
    an occurrence adds to a decision before the text's length is taken out.

    Parameters
    ----------
    model
        A fitted model; it is not changed.
    n_features
        How many n-grams to keep, at least 1; all if there are fewer.
    """
    idf = model.features.idf
    moved = np.abs(model.weights).max(axis=1) * idf
    kept = np.sort(np.argsort(-moved, kind="stable")[: max(1, n_features)])
    return replace(model, features=_of_columns(model.features, kept), weights=model.weights[kept])


def _of_columns(features: TfidfFeatures, kept: NDArray[np.int64]) -> TfidfFeatures:
    number_of = np.full(features.n_features + 1, -1, np.int32)  # the last one stands for dropped buckets, -1
    number_of[kept] = np.arange(len(kept), dtype=np.int32)
    return replace(features, column=number_of[features.column], idf=features.idf[kept])
