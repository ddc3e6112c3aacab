"""How far to trust influences: deleting what they call important must hurt more than deleting at random."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sulsul.evaluation.intervals import Interval, bootstrap_interval
from sulsul.explanation.deletion import ReadText, log_odds_without
from sulsul.predictor import Predictor

FRACTIONS = (0.1, 0.2, 0.3, 0.5)
"""Shares of a text's tokens that are deleted, each rounded up."""
N_RANDOM_ORDERS = 20

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Faithfulness:
    """Deletion against random deletion (after the erasure tests of DeYoung et al. 2020, ERASER, section 4.2).

    Attributes
    ----------
    drop
        Mean fall of the target's log-odds when the tokens with the largest influence are deleted, over
        :data:`FRACTIONS`.
    random_drop
        The same for tokens drawn at random.
    advantage
        ``drop - random_drop``: near 0 the influences say no more than chance.
    interval
        95 % bootstrap interval of the advantage: over the texts or, for a single text, over the random orders.
    n_texts
        Number of texts with at least two tokens.
    """

    drop: float
    random_drop: float
    advantage: float
    interval: Interval
    n_texts: int


@dataclass(frozen=True, eq=False)
class Attributed:
    """One text, the influence of each of its tokens, and the class they are about."""

    read: ReadText
    influences: FloatArray
    target: int


def deletion_test(predictor: Predictor, texts: Sequence[Attributed], *, seed: int = 0) -> Faithfulness | None:
    """Return the deletion test of some attributed texts; None if none of them has two tokens.

    Parameters
    ----------
    predictor
        The trained classifier.
    texts
        What to test.
    seed
        Of the random orders and the bootstrap.
    """
    generator = np.random.default_rng(seed)
    tested = [_drops(predictor, text, generator) for text in texts if text.read.is_word.sum() >= 2]
    if not tested:
        return None
    drops = np.array([drop for drop, _ in tested])
    random_drops = np.array([random.mean() for _, random in tested])
    advantages = drops - random_drops if len(tested) > 1 else drops - tested[0][1]
    return Faithfulness(
        drop=float(drops.mean()),
        random_drop=float(random_drops.mean()),
        advantage=float(advantages.mean()),
        interval=bootstrap_interval(advantages, seed=seed),
        n_texts=len(tested),
    )


def _drops(predictor: Predictor, text: Attributed, generator: np.random.Generator) -> tuple[float, FloatArray]:
    """Return the mean drop by influence, and by each of the random orders, shape (R,)."""
    words = np.flatnonzero(text.read.is_word)
    by_influence = words[np.argsort(-text.influences[words], kind="stable")]
    orders = [by_influence, *(generator.permutation(words) for _ in range(N_RANDOM_ORDERS))]
    n_deleted = [int(np.ceil(fraction * len(words))) for fraction in FRACTIONS]
    masks = [np.ones(len(text.influences), dtype=np.bool_)]
    for order in orders:
        for n in n_deleted:
            mask = masks[0].copy()
            mask[order[:n]] = False
            masks.append(mask)
    scores = log_odds_without(predictor, text.read, masks, text.target)
    drops = scores[0] - scores[1:].reshape(len(orders), len(FRACTIONS)).mean(axis=1)
    return float(drops[0]), drops[1:]
