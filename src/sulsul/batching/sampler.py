"""Which texts form which batch, as a pure function of seed and epoch."""

from collections.abc import Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from sulsul.batching.encoded_corpus import Rows
from sulsul.errors import UsageError

BATCHES_PER_BUCKET = 64
"""Texts are sorted by length inside a random pool of so many batches: enough for nearly equal lengths, few enough
that a batch stays a random draw."""


class BatchSampler:
    """Cuts a corpus into batches; every text is in exactly one batch of an epoch.

    ``epoch(e)`` depends on nothing but the arguments, so the pair (epoch, batch) is a complete position to resume from.

    Parameters
    ----------
    lengths : int64 (B,)
        Number of tokens of each text.
    batch_size
        Texts per batch; one batch of an epoch may be smaller.
    seed
        Seeds the shuffling together with the epoch.
    bucket
        Put texts of similar length together, so that few timesteps run on small batches.
    shuffle
        Draw anew each epoch. Without it every epoch is the same: with ``bucket`` all texts sorted by falling length,
        else in the order given.

    Raises
    ------
    UsageError
        If ``batch_size`` is below 1.

    Examples
    --------
    >>> sampler = BatchSampler(np.array([3, 1, 2]), 2, seed=0, bucket=True, shuffle=False)
    >>> [batch.tolist() for batch in sampler.epoch(0)]
    [[0, 2], [1]]
    """

    def __init__(
        self,
        lengths: npt.NDArray[np.int64],
        batch_size: int,
        *,
        seed: int = 0,
        bucket: bool = True,
        shuffle: bool = True,
    ) -> None:
        if batch_size < 1:
            raise UsageError(f"batch_size is {batch_size}; it must be at least 1.")
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._bucket = bucket
        self._shuffle = shuffle

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-len(self._lengths) // self._batch_size)

    def epoch(self, epoch: int) -> Sequence[Rows]:
        """Return the batches of an epoch in the order to run them.

        Parameters
        ----------
        epoch
            Any number from 0 on.

        Returns
        -------
        sequence of int64 (batch_size,)
            Positions of texts. All batches together take 8 bytes a text and 8 bytes a batch.
        """
        size = self._batch_size
        if not self._shuffle:
            rows = np.arange(len(self._lengths))
            return _Batches(self._by_length(rows) if self._bucket else rows, size, np.arange(len(self)))
        generator = np.random.default_rng([self._seed, epoch])
        rows = generator.permutation(len(self._lengths))
        if not self._bucket:
            return _Batches(rows, size, np.arange(len(self)))
        pool = BATCHES_PER_BUCKET * size
        for start in range(0, len(rows), pool):
            rows[start : start + pool] = self._by_length(rows[start : start + pool])
        return _Batches(rows, size, generator.permutation(len(self)))

    def _by_length(self, rows: Rows) -> Rows:
        return rows[np.argsort(-self._lengths[rows], kind="stable")]


class _Batches(Sequence[Rows]):
    """Batches cut out of one array when they are asked for: a list of 1.5 million arrays would take 170 MB."""

    def __init__(self, rows: Rows, batch_size: int, order: Rows) -> None:
        self._rows = rows
        self._batch_size = batch_size
        self._order = order

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> Rows: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Rows]: ...

    def __getitem__(self, index: int | slice) -> Rows | Sequence[Rows]:
        if isinstance(index, slice):
            return _Batches(self._rows, self._batch_size, self._order[index])
        start = int(self._order[index]) * self._batch_size
        return self._rows[start : start + self._batch_size]
