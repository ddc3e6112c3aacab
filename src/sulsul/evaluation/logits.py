"""Log loss and probabilities of logits, without torch: what calibration and blending are fitted by."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sulsul.evaluation.metrics import FloatArray


def loss_of_logits(logits: NDArray[np.floating], truth: NDArray[Any]) -> FloatArray:
    """Return the log loss of each text in nats, shape (B,); for label sets the mean over the labels.

    Parameters
    ----------
    logits : shape (B, L)
        L is 1 for two exclusive classes by one log-odds, and C otherwise.
    truth : shape (B,) or (B, C)
        Class ids, or multi-hot for label sets.

    Examples
    --------
    >>> loss_of_logits(np.zeros((1, 1)), np.array([1])).round(4).tolist()
    [0.6931]
    >>> loss_of_logits(np.zeros((1, 4)), np.array([1])).round(4).tolist()
    [1.3863]
    """
    given = np.asarray(logits, dtype=np.float64)
    if truth.ndim == 2:
        return np.asarray(np.logaddexp(0.0, np.where(truth > 0.5, -given, given)).mean(axis=1))
    if given.shape[1] == 1:
        return np.asarray(np.logaddexp(0.0, np.where(truth > 0, -given[:, 0], given[:, 0])))
    highest = given.max(axis=1, keepdims=True)
    total = np.log(np.exp(given - highest).sum(axis=1)) + highest[:, 0]
    return np.asarray(total - given[np.arange(len(given)), truth.astype(np.int64)])


def answers_of_logits(logits: NDArray[np.floating], *, multi_label: bool) -> NDArray[np.int64]:
    """Return class ids (B,), or multi-hot (B, C) for label sets; see :func:`loss_of_logits` for the shapes."""
    if multi_label:
        return np.asarray(logits > 0, dtype=np.int64)
    if logits.shape[1] == 1:
        return np.asarray(logits[:, 0] > 0, dtype=np.int64)
    return np.asarray(logits.argmax(axis=1), dtype=np.int64)


def probabilities_of_logits(logits: NDArray[np.floating], *, multi_label: bool) -> FloatArray:
    """Return class probabilities (B, C): two columns for one log-odds, one per label for label sets.

    Examples
    --------
    >>> probabilities_of_logits(np.zeros((1, 1)), multi_label=False).tolist()
    [[0.5, 0.5]]
    """
    given = np.asarray(logits, dtype=np.float64)
    if multi_label or given.shape[1] == 1:
        yes = np.exp(-np.logaddexp(0.0, -given))
        return yes if multi_label else np.hstack([1.0 - yes, yes])
    powers = np.exp(given - given.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
