"""Whether arrays that were stored with a value or a row for every n-gram fit together."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Kind = tuple[tuple[int, ...], type[np.generic]]
"""Shape and dtype."""


def stored_problem(
    arrays: Mapping[str, NDArray[Any]],
    by_ngram: Mapping[str, Kind],
    others: Mapping[str, Kind] | None = None,
    *,
    n_buckets: int,
) -> str | None:
    """Return what is wrong with the arrays that a file has, or None.

    Parameters
    ----------
    arrays
        By name; ``buckets``, int32 (F,), must be among them, rising from 0 to ``n_buckets`` - 1.
    by_ngram
        Arrays with something for each bucket, and its kind without the leading F.
    others
        The rest.
    """
    others = others or {}
    if missing := {"buckets", *by_ngram, *others} ^ arrays.keys():
        return f"has other arrays than it should ({', '.join(sorted(missing))})"
    buckets = arrays["buckets"]
    expected: dict[str, Kind] = {"buckets": ((buckets.size,), np.int32)}
    expected |= {name: ((buckets.size, *shape), dtype) for name, (shape, dtype) in by_ngram.items()}
    for name, (shape, dtype) in (expected | dict(others)).items():
        if arrays[name].shape != shape or arrays[name].dtype != dtype:
            return f"has {name} {arrays[name].shape} {arrays[name].dtype} in place of {shape} {np.dtype(dtype)}"
        if not np.isfinite(arrays[name]).all():
            return f"has {name} that are not finite"
    if not buckets.size or buckets[0] < 0 or buckets[-1] >= n_buckets or (np.diff(buckets.astype(np.int64)) <= 0).any():
        return f"has buckets that do not rise from 0 to {n_buckets - 1}"
    return None
