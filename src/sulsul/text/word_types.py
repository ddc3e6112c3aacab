"""The distinct words of some texts, each as the rows of an embedding table whose sum it is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sulsul.errors import DataError


@dataclass(frozen=True, eq=False)
class WordTypes:
    """What the token ids of an n-gram tokenizer stand for: ids are positions in this table.

    Parameters
    ----------
    offsets : int64 (W+1,)
        Type ``w`` is the sum of the rows ``part_ids[offsets[w]:offsets[w + 1]]``; no token is of a type without any.
    part_ids : int32 (P,)
        Rows of the embedding table; one that a word holds twice is named twice.

    Raises
    ------
    DataError
        If dtypes or shapes are others, the offsets do not rise from 0 to P, or a part is negative.

    Examples
    --------
    >>> types = WordTypes(np.array([0, 1, 3]), np.array([0, 5, 7], np.int32))
    >>> len(types), types.select(np.array([1])).part_ids.tolist()
    (2, [5, 7])
    """

    offsets: npt.NDArray[np.int64]
    part_ids: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        _require(self.offsets.dtype == np.int64 and self.offsets.ndim == 1, "offsets must be int64 (W+1,)")
        _require(self.part_ids.dtype == np.int32 and self.part_ids.ndim == 1, "part_ids must be int32 (P,)")
        _require(self.offsets.size > 0 and self.offsets[0] == 0, "offsets must begin with 0")
        _require(bool(np.all(np.diff(self.offsets) >= 0)), "offsets must never fall")
        _require(int(self.offsets[-1]) == self.part_ids.size, "offsets must end with the number of parts")
        _require(not self.part_ids.size or int(self.part_ids.min()) >= 0, "parts must not be negative")

    def __len__(self) -> int:
        return self.offsets.size - 1

    def select(self, type_ids: npt.NDArray[np.integer]) -> "WordTypes":
        """Return a copy holding only ``type_ids`` (R,), in that order; they may repeat."""
        starts = self.offsets[type_ids]
        counts = self.offsets[type_ids + 1] - starts
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        source = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
        return WordTypes(offsets, self.part_ids[source])


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise DataError(f"The table of word types is malformed: {message}.")
