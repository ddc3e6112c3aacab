"""How undecided a classifier is about a text: what says which unlabelled texts are worth labelling."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from sulsul.evaluation.metrics import FloatArray

Measure = Literal["margin", "entropy"]


def uncertainty(probabilities: ArrayLike, measure: Measure, *, multi_label: bool) -> FloatArray:
    """Return a number (B,) that is the larger the less decided the answer is, from 0 to 1.

    Parameters
    ----------
    probabilities
        Shape (B, C).
    measure
        ``margin``: 1 minus the difference of the two largest probabilities (Scheffer, Decomain & Wrobel 2001).
        ``entropy``: that of the probabilities over its largest value (Settles 2009, section 3.1).
    multi_label
        Each label is a question of its own: margin is that of the least decided one, entropy the mean over them.

    Examples
    --------
    >>> uncertainty([[0.5, 0.25, 0.25], [0.9, 0.1, 0.0]], "margin", multi_label=False).round(2).tolist()
    [0.75, 0.2]
    >>> uncertainty([[0.5, 0.9]], "entropy", multi_label=True).round(3).tolist()
    [0.734]
    """
    given = np.asarray(probabilities, dtype=np.float64)
    if multi_label:
        questions = np.stack([given, 1.0 - given], axis=2)
        if measure == "margin":
            return np.asarray((1.0 - np.abs(given - (1.0 - given))).max(axis=1))
        return np.asarray(_entropy(questions).mean(axis=1) / np.log(2.0))
    if measure == "entropy":
        return np.asarray(_entropy(given) / np.log(given.shape[1]))
    highest = np.sort(given, axis=1)
    return np.asarray(1.0 - (highest[:, -1] - highest[:, -2]))


def _entropy(probabilities: FloatArray) -> FloatArray:
    logarithms = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0.0)
    return np.asarray(-(probabilities * logarithms).sum(axis=-1))
