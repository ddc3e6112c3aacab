"""Whether a stated probability of 0.8 is right 80 % of the time, and one number that mends it."""

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from sulsul.evaluation.metrics import FloatArray, brier_score, log_loss

N_BINS = 15


class ReliabilityBin(BaseModel):
    """Texts whose confidence lies in (low, high]: how many, their mean confidence and their accuracy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


class Calibration(BaseModel):
    """Expected calibration error, Brier score and the bins of the reliability diagram."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ece: float
    brier: float
    bins: tuple[ReliabilityBin, ...]


def calibration(y_true: ArrayLike, probabilities: ArrayLike, *, n_bins: int = N_BINS) -> Calibration:
    """Compare confidence with accuracy in bins of equal width (Guo et al. 2017, eq. 3).

    For class ids (B,) the confidence is the largest probability of a text and the outcome whether that class is true.
    For multi-hot (B, C) every pair of text and label counts: the confidence is the label's probability and the outcome
    whether the text carries the label.

    Parameters
    ----------
    y_true
        Class ids of shape (B,) or multi-hot of shape (B, C).
    probabilities
        Shape (B, C).
    n_bins
        Number of bins over [0, 1].
    """
    true, given = np.asarray(y_true), np.asarray(probabilities, dtype=np.float64)
    if true.ndim == 1:
        confidence, outcome = given.max(axis=1), given.argmax(axis=1) == true
    else:
        confidence, outcome = given.ravel(), (true > 0.5).ravel()
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    index = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, n_bins - 1)
    counts = np.bincount(index, minlength=n_bins)
    divisor = np.maximum(counts, 1)
    confidences = np.bincount(index, weights=confidence, minlength=n_bins) / divisor
    accuracies = np.bincount(index, weights=outcome, minlength=n_bins) / divisor
    bins = tuple(
        ReliabilityBin(
            low=float(edges[b]),
            high=float(edges[b + 1]),
            n=int(counts[b]),
            confidence=float(confidences[b]) if counts[b] else None,
            accuracy=float(accuracies[b]) if counts[b] else None,
        )
        for b in range(n_bins)
    )
    ece = float((np.abs(accuracies - confidences) * counts).sum() / max(1, counts.sum()))
    return Calibration(ece=ece, brier=brier_score(true, given), bins=bins)


def apply_temperature(probabilities: ArrayLike, temperature: float, *, multi_label: bool = False) -> FloatArray:
    """Soften (temperature above 1) or sharpen (below 1) probabilities (Guo et al. 2017, §4.2).

    Dividing logits by T equals raising probabilities to 1/T and renormalising, so no logits are needed. The predicted
    class never changes.

    Parameters
    ----------
    probabilities
        Shape (B, C); rows sum to 1 unless ``multi_label``.
    temperature
        T > 0.

    Raises
    ------
    ValueError
        If the temperature is not positive.
    """
    if not temperature > 0.0:
        raise ValueError(f"a temperature must be positive, not {temperature}")
    given = np.clip(np.asarray(probabilities, dtype=np.float64), 1e-12, 1.0 - 1e-12)
    if multi_label:
        return np.asarray(1.0 / (1.0 + np.exp((np.log1p(-given) - np.log(given)) / temperature)))
    logits = np.log(given) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def fit_temperature(y_true: ArrayLike, probabilities: ArrayLike) -> float:
    """Find the temperature with the smallest log loss, on texts that were not trained on.

    Parameters
    ----------
    y_true
        Class ids of shape (B,) or multi-hot of shape (B, C).
    probabilities
        Shape (B, C).

    Returns
    -------
    float
        Between 0.05 and 20.
    """
    from scipy import optimize  # slow to import, and only fitting needs it

    multi_label = np.ndim(y_true) == 2

    def loss(log_temperature: float) -> float:
        return log_loss(
            y_true, apply_temperature(probabilities, float(np.exp(log_temperature)), multi_label=multi_label)
        )

    found = optimize.minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(found.x))
