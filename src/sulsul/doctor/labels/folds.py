"""Dividing labelled texts into folds so that no text is judged by a model that saw a copy of it."""

from typing import Any

import numpy as np
import numpy.typing as npt


def grouped_folds(
    key_ids: npt.NDArray[np.int64], class_ids: npt.NDArray[Any], n_folds: int, *, seed: int
) -> npt.NDArray[np.int64]:
    """Return the fold (B,) of every text; equal texts share one, and each class is dealt out evenly.

    Parameters
    ----------
    key_ids
        (B,): equal for equal texts; -1 for a text that equals none.
    class_ids
        Class ids (B,), or multi-hot (B, C).
    n_folds
        At least 2.
    seed
        Of the order in which they are dealt.

    Examples
    --------
    >>> grouped_folds(np.array([4, 4, 7, -1]), np.array([0, 1, 0, 1]), 2, seed=0).tolist()
    [0, 0, 1, 0]
    """
    alone = np.where(key_ids < 0, key_ids.max(initial=0) + 1 + np.arange(len(key_ids)), key_ids)
    _, first, group_of = np.unique(alone, return_index=True, return_inverse=True)
    kinds = np.unique(class_ids[first], axis=0, return_inverse=True)[1].reshape(-1)
    order = np.random.default_rng(seed).permutation(len(first))
    order = order[np.argsort(kinds[order], kind="stable")]
    fold_of_group = np.empty(len(first), np.int64)
    fold_of_group[order] = np.arange(len(first)) % n_folds
    return np.asarray(fold_of_group[group_of])
