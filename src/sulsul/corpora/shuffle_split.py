"""Drawing rows as scikit-learn's ``train_test_split`` does, to the row, without importing scikit-learn.

Importing ``sklearn.model_selection`` costs 0.9 s and 143 MB, more than reading and splitting 150,000 texts together;
the rows must be the same so that notebooks can be repeated index for index. Both procedures follow ``ShuffleSplit``
and ``StratifiedShuffleSplit`` (scikit-learn 1.9), whose draws have not changed since 0.18; the tests compare with it.
"""

import math

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


def sizes_of(n_rows: int, taken: float | int, kept: int | None) -> tuple[int, int]:
    """Return (rows taken, rows kept): a share is rounded up, and the rest is kept unless a number is given."""
    n_taken = taken if isinstance(taken, int) else math.ceil(taken * n_rows)
    return n_taken, n_rows - n_taken if kept is None else kept


def draw(n_rows: int, n_taken: int, n_kept: int, seed: int) -> tuple[Rows, Rows]:
    """Return (kept, taken) positions drawn from all rows alike."""
    order = np.random.RandomState(seed).permutation(n_rows)
    return order[n_taken : n_taken + n_kept], order[:n_taken]


def draw_stratified(
    groups: npt.NDArray[np.integer | np.str_], n_taken: int, n_kept: int, seed: int
) -> tuple[Rows, Rows]:
    """Return (kept, taken) positions in which every group has its share.

    Parameters
    ----------
    groups
        (B,) the group of each row; each must occur at least twice, and both sides must have room for all groups.
    """
    _, indices, counts = np.unique(groups, return_inverse=True, return_counts=True)
    rows_by_group = np.split(np.argsort(indices, kind="mergesort"), np.cumsum(counts)[:-1])
    random = np.random.RandomState(seed)
    kept_by_group = _apportion(counts, n_kept, random)
    taken_by_group = _apportion(counts - kept_by_group, n_taken, random)
    kept, taken = [], []
    for rows, n_group_kept, n_group_taken in zip(rows_by_group, kept_by_group, taken_by_group, strict=True):
        shuffled = rows[random.permutation(len(rows))]
        kept.append(shuffled[:n_group_kept])
        taken.append(shuffled[n_group_kept : n_group_kept + n_group_taken])
    return random.permutation(np.concatenate(kept)), random.permutation(np.concatenate(taken))


def _apportion(counts: Rows, n_draws: int, random: np.random.RandomState) -> Rows:
    """Return how many of ``n_draws`` fall on each group: the mode of the multivariate hypergeometric distribution.

    Every group gets the whole part of its share; what is left goes to the largest remainders, ties by lot.
    """
    shares = counts / counts.sum() * n_draws
    whole: Rows = np.floor(shares).astype(np.int64)
    n_left = int(n_draws - whole.sum())
    remainders = shares - whole
    for value in np.sort(np.unique(remainders))[::-1] if n_left > 0 else ():
        (tied,) = np.where(remainders == value)
        n_now = min(len(tied), n_left)
        whole[random.choice(tied, size=n_now, replace=False)] += 1
        n_left -= n_now
        if n_left == 0:
            break
    return whole
