"""Counts and scores of predictions against the truth, without intervals."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike, n_classes: int) -> IntArray:
    """Count texts by true class (rows) and predicted class (columns).

    Parameters
    ----------
    y_true, y_pred
        Class ids of shape (B,), from 0 to ``n_classes - 1``.
    n_classes
        Number of declared classes C; a class that never occurs keeps its row and column.

    Returns
    -------
    ndarray of int64, shape (C, C)

    Raises
    ------
    ValueError
        If the shapes differ or an id lies outside the classes.
    """
    true = _class_ids(y_true, n_classes, "y_true")
    predicted = _class_ids(y_pred, n_classes, "y_pred")
    if true.shape != predicted.shape:
        raise ValueError(f"y_true holds {true.size} texts but y_pred {predicted.size}")
    return np.bincount(true * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def f1_scores(hits: ArrayLike, support: ArrayLike, predicted: ArrayLike) -> FloatArray:
    """Compute F1 = 2·hits / (support + predicted) per class, NaN where a class neither occurs nor is predicted.

    ``hits``, ``support`` and ``predicted`` are counts of one shape (…, C).
    """
    total = np.asarray(support, dtype=np.float64) + np.asarray(predicted, dtype=np.float64)
    doubled = 2.0 * np.asarray(hits, dtype=np.float64)
    return np.asarray(np.divide(doubled, total, out=np.full(total.shape, np.nan), where=total > 0))


def mean_of_present(scores: FloatArray) -> FloatArray:
    """Average scores of shape (…, C) over the classes that are not NaN; 0 where none is left."""
    present = ~np.isnan(scores)
    n_present = present.sum(axis=-1)
    total = np.where(present, scores, 0.0).sum(axis=-1)
    return np.asarray(np.divide(total, n_present, out=np.zeros(total.shape), where=n_present > 0))


def macro_f1(y_true: ArrayLike, y_pred: ArrayLike, n_classes: int) -> float:
    """Average the F1 of every class that occurs or is predicted, each class weighing the same.

    A class that neither occurs nor is predicted has no F1 and is left out, as scikit-learn does by default.
    ``y_true`` and ``y_pred`` are class ids of shape (B,), or multi-hot of shape (B, C).
    """
    hits, support, predicted = label_counts(y_true, y_pred, n_classes)
    return float(mean_of_present(f1_scores(hits, support, predicted)))


def label_counts(y_true: ArrayLike, y_pred: ArrayLike, n_classes: int) -> tuple[IntArray, IntArray, IntArray]:
    """Count hits, true and predicted texts of every class.

    Parameters
    ----------
    y_true, y_pred
        Class ids of shape (B,), or multi-hot of shape (B, C).

    Returns
    -------
    hits, support, predicted
        int64 arrays of shape (C,).
    """
    if np.ndim(y_true) == 1:
        matrix = confusion_matrix(y_true, y_pred, n_classes)
        return np.diagonal(matrix).copy(), matrix.sum(axis=1), matrix.sum(axis=0)
    true, predicted = np.asarray(y_true) > 0.5, np.asarray(y_pred) > 0.5
    if true.shape != predicted.shape or true.ndim != 2 or true.shape[1] != n_classes:
        raise ValueError(f"multi-hot labels need shape (texts, {n_classes}), not {true.shape} and {predicted.shape}")
    return (true & predicted).sum(axis=0), true.sum(axis=0), predicted.sum(axis=0)


def log_loss(y_true: ArrayLike, probabilities: ArrayLike) -> float:
    """Compute the mean negative log-likelihood of the truth, in nats.

    For class ids (B,) with probabilities (B, C): −ln p of the true class. For multi-hot (B, C): binary cross-entropy,
    averaged over texts and labels. Probabilities are clipped to [ε, 1 − ε] with ε of their own floating type, so a
    float32 zero costs 15.9 nats, not infinity.
    """
    given = np.asarray(probabilities)
    epsilon = float(np.finfo(given.dtype if given.dtype.kind == "f" else np.float64).eps)
    clipped = np.clip(given.astype(np.float64), epsilon, 1.0 - epsilon)
    true = np.asarray(y_true)
    if true.ndim == 1:
        return float(-np.log(clipped[np.arange(len(true)), true.astype(np.int64)]).mean())
    return float(-np.where(true > 0.5, np.log(clipped), np.log1p(-clipped)).mean())


def brier_score(y_true: ArrayLike, probabilities: ArrayLike) -> float:
    """Compute the mean squared distance between probabilities and truth, summed over classes, from 0 to 2.

    The original definition (Brier 1950), which for two classes is twice the form for the positive class alone. For
    multi-hot truth the sum is over labels and divided by their number, from 0 to 1.
    """
    given = np.asarray(probabilities, dtype=np.float64)
    true = np.asarray(y_true)
    if true.ndim == 2:
        return float(((given - (true > 0.5)) ** 2).mean())
    rows = np.arange(len(true))
    at_truth = given[rows, true.astype(np.int64)]
    return float(((given**2).sum(axis=1) - at_truth**2 + (1.0 - at_truth) ** 2).mean())


def _class_ids(values: ArrayLike, n_classes: int, name: str) -> IntArray:
    ids = np.asarray(values)
    if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
        raise ValueError(f"{name}: class ids must be a flat array of integers, not {ids.dtype} of shape {ids.shape}")
    if ids.size and (ids.min() < 0 or ids.max() >= n_classes):
        raise ValueError(f"{name}: class ids must lie from 0 to {n_classes - 1}, not {ids.min()} to {ids.max()}")
    return ids.astype(np.int64)
