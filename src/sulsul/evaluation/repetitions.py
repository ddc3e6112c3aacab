"""Paired tests of classifiers that were trained several times: with several seeds, or on the folds of a corpus.

McNemar's test knows the texts as the only source of chance. A network trained twice answers differently, and two
networks trained on four fifths of a corpus each share most of their training texts; both need a test of their own.
"""

import numpy as np
from numpy.typing import ArrayLike

from sulsul.evaluation.metrics import FloatArray


def seeds_test(correct_first: ArrayLike, correct_second: ArrayLike) -> float:
    """Test whether two classifiers are equally accurate on average over seeds and texts; return the p-value.

    Texts and seeds are both drawn from more than were seen, as cases and readers are where several doctors read the
    same images (Dorfman, Berbaum & Metz 1992, Invest. Radiol. 27:723-731; Gallas et al. 2009, Commun. Stat. 38:2586).
    The variance of the mean difference is the sum of that over texts and those over the seeds of either classifier:
    what depends on text and seed together is counted twice, so the test errs on the side of "not distinguishable".
    Degrees of freedom after Satterthwaite (1946, Biometrics Bull. 2:110-114).

    Parameters
    ----------
    correct_first, correct_second
        Boolean arrays of shape (seeds, B) over the same B texts; the numbers of seeds may differ. A classifier without
        any chance in it, such as a linear model, has one row.

    Returns
    -------
    float
        Two-sided.

    Raises
    ------
    ValueError
        If there are fewer than two texts, or the texts differ in number.

    Examples
    --------
    >>> right, wrong = np.ones((3, 40), dtype=bool), np.zeros((1, 40), dtype=bool)
    >>> wrong[:, :36] = True
    >>> round(seeds_test(right, wrong), 3)
    0.044
    """
    from scipy import stats  # 0.3 s to import, and only tests need it

    first, second = (np.asarray(given, dtype=np.float64) for given in (correct_first, correct_second))
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1] or first.shape[1] < 2:
        raise ValueError(f"two texts or more are needed, the same for both, not {first.shape} and {second.shape}")
    per_text = first.mean(axis=0) - second.mean(axis=0)
    parts = [(float(per_text.var(ddof=1)) / per_text.size, per_text.size - 1)]
    for correct in (first, second):
        n_seeds = len(correct)
        if n_seeds > 1:
            parts.append((float(correct.mean(axis=1).var(ddof=1)) / n_seeds, n_seeds - 1))
    variance = sum(part for part, _ in parts)
    difference = abs(float(per_text.mean()))
    if variance == 0.0:
        return 1.0 if difference == 0.0 else 0.0
    degrees = variance**2 / sum(part**2 / df for part, df in parts)
    return min(1.0, 2.0 * float(stats.t.sf(difference / np.sqrt(variance), degrees)))


def folds_test(differences: ArrayLike, *, test_share: float) -> float:
    """Test whether two classifiers are equally accurate over the folds of a cross-validation; return the p-value.

    The corrected resampled t-test (Nadeau & Bengio 2003, Mach. Learn. 52:239-281): the folds share most of their
    training texts, so the variance of the mean over K folds is (1/K + n_test/n_train)·s², not s²/K. The plain t-test
    finds differences where there are none (Dietterich 1998, Neural Comput. 10:1895-1923).

    Parameters
    ----------
    differences
        Accuracy of the first minus accuracy of the second, shape (K,), one per fold; where there are several seeds,
        their mean.
    test_share
        n_test/n_train: 1/(K-1) in a K-fold cross-validation.

    Returns
    -------
    float
        Two-sided, with K - 1 degrees of freedom.

    Raises
    ------
    ValueError
        If there are fewer than two folds or ``test_share`` is not positive.

    Examples
    --------
    >>> round(folds_test([0.02, 0.03, 0.01, 0.02, 0.02], test_share=0.25), 3)
    0.014
    """
    from scipy import stats

    values: FloatArray = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or values.size < 2 or test_share <= 0.0:
        raise ValueError("a test over folds needs two folds or more and a positive share")
    mean, spread = abs(float(values.mean())), float(values.std(ddof=1))
    if spread == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    error = spread * np.sqrt(1.0 / values.size + test_share)
    return min(1.0, 2.0 * float(stats.t.sf(mean / error, values.size - 1)))
