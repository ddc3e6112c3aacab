"""All sequences of a corpus in one flat array: no padding, no list of lists."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sulsul.batching.mapped import blocks_of
from sulsul.errors import DataError
from sulsul.text.word_types import WordTypes

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EncodedCorpus:
    """Token ids of every text, and the class of each.

    Parameters
    ----------
    token_ids : int32 (N,)
        The sequences in a row; may be memory-mapped, see :mod:`sulsul.batching.mapped`.
    offsets : int64 (B+1,)
        Sequence ``b`` is ``token_ids[offsets[b]:offsets[b + 1]]``; it may be empty.
    class_ids : int64 (B,) or float32 (B, C) or None
        The class of each text, or one multi-hot row each.
    sample_weights : float32 (B,) or None
        How much the training loss counts each text; None: all the same.
    types
        What the token ids stand for where they are not rows of the embedding: sums of such rows.

    Raises
    ------
    DataError
        If dtypes or shapes are others, the offsets do not rise from 0 to N, or an id is negative or beyond the types.

    Examples
    --------
    >>> corpus = EncodedCorpus(np.array([5, 6, 7], np.int32), np.array([0, 2, 2, 3]), None)
    >>> len(corpus), corpus.lengths.tolist(), corpus.select(np.array([2, 0])).token_ids.tolist()
    (3, [2, 0, 1], [7, 5, 6])
    """

    token_ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    class_ids: npt.NDArray[np.int64] | npt.NDArray[np.float32] | None = None
    sample_weights: npt.NDArray[np.float32] | None = None
    types: WordTypes | None = None

    def __post_init__(self) -> None:
        _require(self.token_ids.dtype == np.int32 and self.token_ids.ndim == 1, "token_ids must be int32 (N,)")
        _require(self.offsets.dtype == np.int64 and self.offsets.ndim == 1, "offsets must be int64 (B+1,)")
        _require(self.offsets.size > 0 and self.offsets[0] == 0, "offsets must begin with 0")
        _require(bool(np.all(np.diff(self.offsets) >= 0)), "offsets must never fall")
        _require(int(self.offsets[-1]) == self.token_ids.size, "offsets must end with the number of token ids")
        bounds = [(int(block.min()), int(block.max())) for block in blocks_of(self.token_ids)]
        _require(min((low for low, _ in bounds), default=0) >= 0, "token ids must not be negative")
        if self.class_ids is not None:
            single = self.class_ids.dtype == np.int64 and self.class_ids.ndim == 1
            multi = self.class_ids.dtype == np.float32 and self.class_ids.ndim == 2
            _require(single or multi, "class_ids must be int64 (B,) or float32 (B, C)")
            _require(len(self.class_ids) == len(self), "class_ids must have one entry per text")
        if self.sample_weights is not None:
            _require(self.sample_weights.dtype == np.float32, "sample_weights must be float32")
            _require(self.sample_weights.shape == (len(self),), "sample_weights must have one entry per text")
        if self.types is not None and self.token_ids.size:
            _require(max(high for _, high in bounds) < len(self.types), "token ids must be positions in the types")

    def __len__(self) -> int:
        return self.offsets.size - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """int64 (B,): number of tokens of each text."""
        return np.diff(self.offsets)

    def select(self, rows: Rows) -> "EncodedCorpus":
        """Return a copy holding only ``rows``, in that order.

        Parameters
        ----------
        rows : int64 (R,)
            Positions of texts; may repeat.
        """
        lengths = self.lengths[rows]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        source = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        class_ids = None if self.class_ids is None else self.class_ids[rows]
        sample_weights = None if self.sample_weights is None else self.sample_weights[rows]
        return EncodedCorpus(self.token_ids[source], offsets, class_ids, sample_weights, self.types)

    def positions(self) -> "EncodedCorpus":
        """Return the same texts with every token's position 0 … N-1 in place of its id, without labels."""
        ids = np.arange(self.token_ids.size, dtype=np.int32)
        return replace(self, token_ids=ids, class_ids=None, sample_weights=None, types=None)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise DataError(f"The encoded corpus is malformed: {message}.")
