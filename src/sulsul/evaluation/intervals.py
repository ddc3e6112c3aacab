"""Confidence intervals: how far a score could move with another sample of texts."""

from collections.abc import Callable
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from sulsul.evaluation.metrics import FloatArray, IntArray, f1_scores, mean_of_present

Interval = tuple[float, float]

RESAMPLES = 2_000
# Resamples are drawn in blocks of at most so many counts, which bounds memory at 32 MB.
_BLOCK = 4_000_000
# Above this number of distinct outcomes drawing rows is faster than drawing counts: at 50,000 outcomes 2,000
# multinomial draws took 6.6 s, 2,000 draws of rows 0.6 s.
_MOST_OUTCOMES = 4_000


def wilson_interval(successes: int, n: int, *, level: float = 0.95) -> Interval:
    """Compute the score interval of a proportion (Wilson 1927, J. Am. Stat. Assoc. 22:209-212).

    Unlike the textbook ±1.96 standard errors it stays within [0, 1] and holds its level on small samples and near
    0 or 1.

    Parameters
    ----------
    successes
        Number of texts classified correctly.
    n
        Number of texts, at least 1.
    level
        Confidence level.

    Raises
    ------
    ValueError
        If ``n`` is below 1, ``successes`` is not within 0..n or ``level`` not within (0, 1).

    Examples
    --------
    >>> low, high = wilson_interval(81, 263)
    >>> f"{low:.4f} {high:.4f}"
    '0.2553 0.3662'
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"a proportion needs 0 <= successes <= n and n >= 1, not {successes} of {n}")
    z = _two_sided_quantile(level)
    centre = (successes + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * sqrt(successes * (n - successes) / n + z * z / 4)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def bootstrap_interval(
    values: ArrayLike,
    statistic: Callable[[FloatArray], float] | None = None,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Compute the percentile interval of a statistic by resampling rows (Efron 1979).

    Parameters
    ----------
    values
        One row per text, shape (n,) or (n, …); rows are drawn with replacement.
    statistic
        Receives resampled rows and returns a number. The default, the mean, is vectorised.
    level, resamples, seed
        Confidence level, number of resamples, and the seed that makes it repeatable.

    Raises
    ------
    ValueError
        If there are no rows.
    """
    rows = np.asarray(values, dtype=np.float64)
    if not rows.size:
        raise ValueError("a bootstrap needs at least one row")
    rng = np.random.default_rng(seed)
    estimates = np.empty(resamples)
    for index in range(resamples):
        drawn = rows[rng.integers(0, len(rows), len(rows))]
        estimates[index] = drawn.mean() if statistic is None else statistic(drawn)
    return _percentiles(estimates, level)


def macro_f1_interval(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    n_classes: int,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Compute the bootstrap percentile interval of macro-F1.

    Texts with the same truth and the same prediction are interchangeable, so what is drawn is how often each
    distinct pair occurs (a multinomial), not the texts themselves: 2,000 resamples of 50,000 texts take milliseconds.

    Parameters
    ----------
    y_true, y_pred
        Class ids of shape (B,), or multi-hot of shape (B, C), with at least one text.
    """
    counts, hits, support, predicted = _distinct_outcomes(np.asarray(y_true), np.asarray(y_pred), n_classes)
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // len(counts))
    estimates = []
    for start in range(0, resamples, block):
        draws = _draw_counts(rng, counts, min(block, resamples - start))
        estimates.append(mean_of_present(f1_scores(draws @ hits, draws @ support, draws @ predicted)))
    return _percentiles(np.concatenate(estimates), level)


def paired_difference_interval(
    correct_first: ArrayLike, correct_second: ArrayLike, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """Compute the bootstrap interval of accuracy(first) − accuracy(second) on the same texts.

    Only three outcomes matter (first alone right, second alone right, alike), so a resample is one multinomial draw.

    Parameters
    ----------
    correct_first, correct_second
        Boolean arrays of shape (B,): was the text classified correctly?
    """
    first, second = np.asarray(correct_first, dtype=bool), np.asarray(correct_second, dtype=bool)
    if first.shape != second.shape or not first.size:
        raise ValueError(f"paired outcomes need one shape and at least one text, not {first.shape} and {second.shape}")
    n = first.size
    outcomes = np.array([(first & ~second).sum(), (second & ~first).sum(), (first == second).sum()])
    draws = np.random.default_rng(seed).multinomial(n, outcomes / n, size=resamples)
    return _percentiles((draws[:, 0] - draws[:, 1]) / n, level)


def _distinct_outcomes(
    y_true: np.ndarray, y_pred: np.ndarray, n_classes: int
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    """Return counts (K,) of the K distinct (truth, prediction) pairs and their hits, support, predicted (K, C)."""
    if y_true.ndim == 1:
        cells, counts = np.unique(y_true.astype(np.int64) * n_classes + y_pred, return_counts=True)
        identity = np.eye(n_classes)
        support, predicted = identity[cells // n_classes], identity[cells % n_classes]
    else:
        pairs, counts = np.unique(np.hstack([y_true > 0.5, y_pred > 0.5]), axis=0, return_counts=True)
        support, predicted = pairs[:, :n_classes].astype(np.float64), pairs[:, n_classes:].astype(np.float64)
    if not len(counts):
        raise ValueError("a bootstrap needs at least one text")
    return counts, support * predicted, support, predicted


def _draw_counts(rng: np.random.Generator, counts: IntArray, resamples: int) -> FloatArray:
    n = int(counts.sum())
    if len(counts) <= _MOST_OUTCOMES:
        return rng.multinomial(n, counts / n, size=resamples).astype(np.float64)
    outcome_of_row = np.repeat(np.arange(len(counts)), counts)
    draws = np.empty((resamples, len(counts)))
    for row in draws:
        row[:] = np.bincount(outcome_of_row[rng.integers(0, n, n)], minlength=len(counts))
    return draws


def _percentiles(estimates: FloatArray, level: float) -> Interval:
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(estimates, [tail, 100.0 - tail])
    return float(low), float(high)


def _two_sided_quantile(level: float) -> float:
    if not 0.0 < level < 1.0:
        raise ValueError(f"a confidence level lies between 0 and 1, not at {level}")
    return NormalDist().inv_cdf(0.5 + level / 2)
