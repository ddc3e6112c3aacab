"""Paired tests of whether two classifiers could be equally good on these texts."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from sulsul.evaluation.intervals import Interval, paired_difference_interval
from sulsul.evaluation.metrics import FloatArray

# Below so many discordant texts the chi-squared approximation is too rough (Fleiss, Levin & Paik 2003, §13.1).
EXACT_BELOW = 25


class McNemarResult(BaseModel):
    """Outcome of a McNemar test between a first and a second classifier on the same texts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    only_first: int
    only_second: int
    p_value: float
    method: Literal["exact", "mid-p", "chi-squared"]


def mcnemar(
    correct_first: ArrayLike,
    correct_second: ArrayLike,
    *,
    method: Literal["auto", "exact", "mid-p", "chi-squared"] = "auto",
) -> McNemarResult:
    """Test whether two classifiers are right equally often on the same texts (McNemar 1947), two-sided.

    Only the discordant texts count, those that exactly one of the two classifies correctly; were both equally good,
    each would be a fair coin.

    Parameters
    ----------
    correct_first, correct_second
        Boolean arrays of shape (B,): was the text classified correctly?
    method
        ``exact``: binomial. ``mid-p``: the same, counting half of the observed outcome's probability (Fagerland,
        Lydersen & Laake 2013), less conservative. ``chi-squared``: with continuity correction (Edwards 1948).
        ``auto``: exact below 25 discordant texts, chi-squared from there on.

    Raises
    ------
    ValueError
        If the arrays are empty or differ in shape.
    """
    from scipy import stats  # 0.3 s to import, and only tests need it

    first, second = np.asarray(correct_first, dtype=bool), np.asarray(correct_second, dtype=bool)
    if first.ndim != 1 or first.shape != second.shape or not first.size:
        raise ValueError(f"paired outcomes need one shape and at least one text, not {first.shape} and {second.shape}")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    discordant = only_first + only_second
    if method == "auto":
        method = "exact" if discordant < EXACT_BELOW else "chi-squared"
    if discordant == 0:
        p_value = 1.0
    elif method == "chi-squared":
        statistic = max(0.0, abs(only_first - only_second) - 1.0) ** 2 / discordant
        p_value = float(stats.chi2.sf(statistic, df=1))
    else:
        coin = stats.binom(discordant, 0.5)
        p_value = 2.0 * float(coin.cdf(min(only_first, only_second)))
        if method == "mid-p":
            p_value -= float(coin.pmf(only_first))
    return McNemarResult(
        n=first.size, only_first=only_first, only_second=only_second, p_value=min(1.0, p_value), method=method
    )


class PairedComparison(BaseModel):
    """Two classifiers on the same texts: how far apart, and whether that could be chance.

    ``difference`` is accuracy(first) − accuracy(second) with its 95 % bootstrap interval; ``adjusted_p_value`` is
    corrected for all comparisons made together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str
    second: str
    n: int
    difference: float
    interval: Interval
    p_value: float
    adjusted_p_value: float
    method: str

    @property
    def words(self) -> str:
        """The outcome for the first classifier, in words."""
        return words(self.adjusted_p_value, self.n, difference=self.difference)


def compare_paired(
    first: str, correct_first: ArrayLike, others: Mapping[str, ArrayLike], *, seed: int = 0
) -> tuple[PairedComparison, ...]:
    """Compare one classifier with several others on the same texts, by McNemar's test corrected after Holm.

    Parameters
    ----------
    first
        Name of the classifier.
    correct_first
        Boolean array of shape (B,): did it classify the text correctly?
    others
        The same for every other classifier, by name.
    seed
        Seed of the bootstrap of the differences.

    Raises
    ------
    ValueError
        If the arrays are empty or differ in shape.
    """
    tests = [mcnemar(correct_first, correct) for correct in others.values()]
    adjusted = holm([test.p_value for test in tests])
    return tuple(
        PairedComparison(
            first=first,
            second=name,
            n=test.n,
            difference=(test.only_first - test.only_second) / test.n,
            interval=paired_difference_interval(correct_first, correct, seed=seed),
            p_value=test.p_value,
            adjusted_p_value=float(adjusted[k]),
            method=test.method,
        )
        for k, (test, (name, correct)) in enumerate(zip(tests, others.items(), strict=True))
    )


def holm(p_values: Sequence[float] | FloatArray) -> FloatArray:
    """Adjust p-values for many comparisons by Holm's step-down method (Holm 1979, Scand. J. Stat. 6:65-70).

    Compare the result with the significance level directly; the chance of any false alarm is kept at that level.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1 or (values.size and not ((values >= 0) & (values <= 1)).all()):
        raise ValueError("p-values must be a flat array of numbers from 0 to 1")
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def words(p_value: float, n: int, *, difference: float = 0.0, alpha: float = 0.05, paired: bool = True) -> str:
    """Say the outcome of a comparison in plain words.

    Parameters
    ----------
    p_value
        Of a two-sided test, already adjusted where there are many comparisons.
    n
        Number of texts compared.
    difference
        Accuracy of the first minus accuracy of the second; its sign picks "better" or "worse".
    alpha
        Significance level.
    paired
        Whether the test was paired; an unpaired one is named as such.

    Examples
    --------
    >>> words(0.41, 428, difference=0.005)
    'not distinguishable on 428 texts (p = 0.41)'
    >>> words(0.00004, 5000, difference=-0.02)
    'worse by 2.0 points on 5,000 texts (p < 0.001)'
    """
    p = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}" if p_value < 0.095 else f"p = {p_value:.2f}"
    ending = f"on {n:,} text{'' if n == 1 else 's'} ({p}{'' if paired else ', unpaired'})"
    if p_value >= alpha or difference == 0.0:
        return f"not distinguishable {ending}"
    return f"{'better' if difference > 0 else 'worse'} by {abs(difference) * 100:.1f} points {ending}"
