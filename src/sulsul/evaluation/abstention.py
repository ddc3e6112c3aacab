"""When to decline an answer: the confidence from which on the answers given are right often enough."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from sulsul.evaluation.metrics import FloatArray


class Abstention(BaseModel):
    """A threshold and what it was found by.

    Attributes
    ----------
    wanted_precision
        Share of right answers that was asked for.
    threshold
        Least confidence of an answer that is given.
    precision, coverage
        On the texts it was found on: share of right answers among those given, and share of texts answered.
    n_texts
        Number of those texts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    wanted_precision: float = Field(gt=0.0, lt=1.0)
    threshold: float = Field(ge=0.0, le=1.0)
    precision: float
    coverage: float
    n_texts: int = Field(ge=1)


class Selected(BaseModel):
    """What a threshold does on other texts; precision is None where no text is answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_answered: int
    n_texts: int
    precision: float | None

    @property
    def coverage(self) -> float:
        """Share of texts that are answered."""
        return self.n_answered / self.n_texts


def confidence(probabilities: ArrayLike, *, multi_label: bool) -> FloatArray:
    """Return the probability (B,) that the answer is right.

    That of the most probable class; for label sets the product over the labels, as if they were independent.

    Examples
    --------
    >>> confidence([[0.25, 0.75]], multi_label=False).tolist(), confidence([[0.2, 0.5]], multi_label=True).tolist()
    ([0.75], [0.4])
    """
    given = np.asarray(probabilities, dtype=np.float64)
    return np.asarray(np.maximum(given, 1.0 - given).prod(axis=1) if multi_label else given.max(axis=1))


def fit_abstention(
    correct: NDArray[np.bool_], confidences: NDArray[np.floating], precision: float
) -> Abstention | None:
    """Return the lowest threshold above which answers on held-out texts are right as often as wanted.

    The share is the observed one, chosen among as many thresholds as there are texts, so it is a little flattered: a
    report says what it is on texts that did not choose it.

    Parameters
    ----------
    correct : bool (B,)
        Which answers are right; for label sets the whole set.
    confidences : shape (B,)
        From :func:`confidence`.
    precision
        Wanted share of right answers.

    Returns
    -------
    Abstention or None
        None where no threshold reaches it, or there are no texts.
    """
    order = np.argsort(-confidences, kind="stable")
    ranked = np.asarray(confidences, dtype=np.float64)[order]
    shares = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    # A threshold takes all texts of one confidence or none.
    is_last = np.append(ranked[1:] < ranked[:-1], True)[: len(order)]
    reached = np.flatnonzero(is_last & (shares >= precision))
    if not len(reached):
        return None
    last = int(reached[-1])
    return Abstention(
        wanted_precision=precision,
        threshold=float(ranked[last]),
        precision=float(shares[last]),
        coverage=(last + 1) / len(order),
        n_texts=len(order),
    )


def select_answers(correct: NDArray[Any], confidences: NDArray[np.floating], threshold: float) -> Selected:
    """Return what a threshold does on these texts."""
    given = confidences >= threshold
    right = float(correct[given].mean()) if given.any() else None
    return Selected(n_answered=int(given.sum()), n_texts=len(given), precision=right)
