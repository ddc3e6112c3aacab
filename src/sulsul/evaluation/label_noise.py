"""Which given labels are probably wrong, from the probabilities of a model that has not seen them.

Confident learning (Northcutt, Jiang & Chuang 2021, "Confident learning: estimating uncertainty in dataset labels",
J. Artif. Intell. Res. 70): a text counts as one of class j when its probability of j is at least the mean probability
of j among the texts labelled j. The package cleanlab does the same and more; it would bring pandas and two others for
these few lines, whose answers were compared with its own (docs/labels.md).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sulsul.evaluation.intervals import Interval, wilson_interval
from sulsul.evaluation.metrics import FloatArray, IntArray

# On NSMC, Seoul 120 and IMDB with planted errors the surest tenth came nearest; see docs/labels.md.
_SUREST = 0.1


@dataclass(frozen=True, eq=False)
class LabelDoubts:
    """What speaks against each given label.

    Attributes
    ----------
    suggested
        The likeliest other answer: class ids (B,), or multi-hot (B, C), the given set with every doubted label turned.
    probability
        (B,): of the suggested answer; for label sets of its least sure turned label.
    margin
        (B,): that minus the probability of the given answer, from −1 to 1: the larger, the likelier wrong.
    doubted
        bool (B,): which labels confident learning counts as wrong.
    """

    suggested: NDArray[Any]
    probability: FloatArray
    margin: FloatArray
    doubted: NDArray[np.bool_]

    def ranked(self) -> IntArray:
        """Return the positions of the doubted labels, the likeliest wrong first."""
        positions = np.flatnonzero(self.doubted)
        return np.asarray(positions[np.argsort(-self.margin[positions], kind="stable")])


@dataclass(frozen=True)
class WrongShare:
    """An estimate of the share of wrong labels.

    Attributes
    ----------
    share, interval
        The share and its 95 % interval, which says what another sample of texts would move, not what the model misses.
    n
        How many labels it was estimated on.
    """

    share: float
    interval: Interval
    n: int


def doubt_labels(given: NDArray[Any], probabilities: NDArray[np.floating]) -> LabelDoubts:
    """Compare given labels with held-out probabilities.

    A label is doubted where the text counts as one of another class that is more probable than the given one.

    Parameters
    ----------
    given
        Class ids (B,), or multi-hot (B, C): each label is then a question of its own with the answers yes and no.
    probabilities
        Shape (B, C), of a model that was not fitted on the text.

    Examples
    --------
    >>> doubts = doubt_labels(np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.1, 0.9]]))
    >>> doubts.ranked().tolist(), doubts.suggested[1], doubts.margin.round(1).tolist()
    ([1], np.int64(1), [-0.8, 0.6, -0.4, -0.8])
    """
    if given.ndim == 2:
        return _doubt_label_sets(given, probabilities)
    return _doubt_classes(given.astype(np.int64), np.asarray(probabilities, dtype=np.float64))


def _doubt_classes(given: IntArray, probabilities: FloatArray) -> LabelDoubts:
    rows = np.arange(len(given))
    own = probabilities[rows, given]
    others = probabilities.copy()
    others[rows, given] = -1.0
    confident = np.where(probabilities >= _thresholds(given, probabilities), others, -1.0)
    counted = confident.max(axis=1, initial=-1.0) > own
    suggested = np.where(counted, confident.argmax(axis=1), others.argmax(axis=1))
    probability = probabilities[rows, suggested]
    return LabelDoubts(suggested, probability, probability - own, counted)


def _doubt_label_sets(given: NDArray[Any], probabilities: NDArray[np.floating]) -> LabelDoubts:
    hot = given > 0.5
    columns = [_doubt_classes(*_as_question(hot, probabilities, label)) for label in range(hot.shape[1])]
    turned = np.stack([column.doubted for column in columns], axis=1)
    margins = np.stack([column.margin for column in columns], axis=1)
    of_answer = np.stack([column.probability for column in columns], axis=1)
    worst = margins.argmax(axis=1)
    doubted = np.asarray(turned.any(axis=1))
    # Where nothing is doubted the least sure label is what the suggestion would turn.
    turned[np.flatnonzero(~doubted), worst[~doubted]] = True
    probability = np.where(turned, of_answer, np.inf).min(axis=1)
    suggested = (hot ^ turned).astype(given.dtype)
    return LabelDoubts(suggested, probability, margins.max(axis=1), doubted)


def _as_question(
    hot: NDArray[np.bool_], probabilities: NDArray[np.floating], label: int
) -> tuple[IntArray, FloatArray]:
    """Return one label of a multi-label task as two classes, no and yes."""
    yes = np.asarray(probabilities[:, label], dtype=np.float64)
    return hot[:, label].astype(np.int64), np.stack([1.0 - yes, yes], axis=1)


def _thresholds(given: IntArray, probabilities: FloatArray) -> FloatArray:
    """Return the mean probability (C,) of each class among the texts labelled so (eq. 2); above 1 for none."""
    n_classes = probabilities.shape[1]
    counts = np.bincount(given, minlength=n_classes)
    own = probabilities[np.arange(len(given)), given]
    return np.where(counts > 0, np.bincount(given, own, minlength=n_classes) / np.maximum(counts, 1), 2.0)


def estimate_wrong_share(given: NDArray[Any], probabilities: NDArray[np.floating]) -> WrongShare | None:
    """Estimate the share of wrong labels among the texts whose class is the plainest.

    Where the model is surest it hardly errs, so what disagrees there is mostly wrong labels; and if labels are wrong
    whatever the text says, their share there is that of the whole table. Such texts are the "anchor points" of Patrini
    et al. 2017 ("Making deep neural networks robust to label noise", section 4.1). Of every predicted class its surest
    tenth counts. Labels that are wrong chiefly on hard texts are missed; mistakes the model is sure of count as labels.

    Parameters
    ----------
    given, probabilities
        As for :func:`doubt_labels`; for label sets the share is that of wrong answers to "does the text carry this?".

    Returns
    -------
    WrongShare or None
        None where the surest tenth holds no label.
    """
    if given.ndim == 2:
        columns = [_as_question(given > 0.5, probabilities, label) for label in range(given.shape[1])]
    else:
        columns = [(given.astype(np.int64), np.asarray(probabilities, dtype=np.float64))]
    plain = [np.zeros(0, np.bool_)]
    for own, answers in columns:
        predicted, sureness = answers.argmax(axis=1), answers.max(axis=1)
        for label in np.unique(predicted):
            rows = np.flatnonzero(predicted == label)
            surest = rows[np.argsort(-sureness[rows], kind="stable")[: round(_SUREST * len(rows))]]
            plain.append(own[surest] != label)
    differs = np.concatenate(plain)
    if not len(differs):
        return None
    n_wrong = int(differs.sum())
    return WrongShare(n_wrong / len(differs), wilson_interval(n_wrong, len(differs)), len(differs))
