"""A quick linear classifier to find out what some tokens alone can tell."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sulsul.text import Tokenizer

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Ids = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

FEWEST_PER_CLASS = 10
_FOLDS = 3


def correct_by_cross_validation(bags: "csr_array", class_ids: Rows, *, seed: int = 0) -> npt.NDArray[np.bool_]:
    """Return which texts a linear support vector machine classifies correctly when it was fitted on the others.

    Parameters
    ----------
    bags
        Features, shape (B, F).
    class_ids
        int64 (B,); every class at least three times.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.svm import LinearSVC

    model = LinearSVC(C=0.3, random_state=seed, max_iter=200)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # The two sides of a comparison are treated alike; neither needs the last digit.
        warnings.simplefilter("ignore", ConvergenceWarning)
        predicted = cross_val_predict(model, bags, class_ids, cv=folds)
    return np.asarray(predicted == class_ids)


def bag_of_ids(token_ids: Ids, offsets: Rows, size: int) -> "csr_array":
    """Return the (B, size) TF-IDF matrix of sequences of ids, rows scaled to length 1."""
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import TfidfTransformer

    narrow = offsets.astype(np.int32)  # LIBLINEAR takes 32-bit indices only
    counts = csr_array((np.ones(len(token_ids)), token_ids, narrow), shape=(len(offsets) - 1, size))
    counts.sum_duplicates()
    return csr_array(TfidfTransformer(sublinear_tf=True).fit_transform(counts))


def bags_encoded(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[Ids, Rows, int]:
    """Return the arguments of :func:`bag_of_ids` for some texts; a word that is a sum is a word of its own."""
    encoded = tokenizer.encode_with_lengths(texts)
    size = tokenizer.vocabulary_size if encoded.types is None else len(encoded.types)
    return encoded.token_ids, encoded.offsets, size


def sample_rows(class_ids: Rows, limit: int, *, seed: int = 0) -> Rows:
    """Return at most ``limit`` rows of classes frequent enough to probe, evenly drawn; empty if fewer than two are."""
    classes, counts = np.unique(class_ids, return_counts=True)
    usable = classes[counts >= FEWEST_PER_CLASS]
    if len(usable) < 2:
        return np.zeros(0, np.int64)
    rows = np.flatnonzero(np.isin(class_ids, usable))
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:limit]) if len(rows) > limit else rows
    kept, counts = np.unique(class_ids[rows], return_counts=True)
    return np.asarray(rows[np.isin(class_ids[rows], kept[counts >= _FOLDS])], dtype=np.int64)
