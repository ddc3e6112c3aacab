"""A batch of token sequences, time-major and without padding."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


class Types(Protocol):
    """Word types in NumPy: each the sum of some rows of a table."""

    @property
    def offsets(self) -> npt.NDArray[Any]:
        """Where the parts of each type begin, and their number, shape (U+1,)."""

    @property
    def part_ids(self) -> npt.NDArray[Any]:
        """Rows, shape (P,)."""


class PackedArrays(Protocol):
    """The NumPy arrays of a packed batch, as the batching room collates them."""

    @property
    def token_ids(self) -> npt.NDArray[Any]:
        """Integer token ids, shape (N,)."""

    @property
    def batch_sizes(self) -> npt.NDArray[Any]:
        """Number of sequences longer than t, shape (T,)."""

    @property
    def lengths(self) -> npt.NDArray[Any]:
        """Sequence lengths, falling, shape (B,)."""

    @property
    def order(self) -> npt.NDArray[Any]:
        """Position in the caller's order of each packed sequence, shape (B,)."""

    @property
    def types(self) -> Types | None:
        """What the token ids stand for where they are sums of rows."""


class BatchTypes(NamedTuple):
    """What token ids stand for where each is the sum of some rows of a table.

    Attributes
    ----------
    offsets : Tensor, shape (U+1,), int64
        Type ``u`` is the sum of the rows ``part_ids[offsets[u]:offsets[u + 1]]``.
    part_ids : Tensor, shape (P,), int64
        Rows of the table.
    """

    offsets: Tensor
    part_ids: Tensor


@dataclass(frozen=True, eq=False)
class PackedBatch:
    """Sequences sorted by falling length and stored timestep by timestep, as torch's ``PackedSequence`` does.

    Row ``row_starts[t] + b`` holds timestep ``t`` of packed sequence ``b``. Sequences of length 0 come last: they are
    in ``lengths`` and ``order`` and in no timestep.

    Attributes
    ----------
    token_ids : Tensor, shape (N,), int64
        Token ids, time-major.
    batch_sizes : Tensor, shape (T,), int64, always on the CPU
        Number of sequences that have a timestep t; falling, never 0.
    lengths : Tensor, shape (B,), int64
        Sequence lengths, falling.
    order : Tensor, shape (B,), int64
        ``order[k]`` is the caller's position of packed sequence ``k``.
    types : BatchTypes, optional
        What the token ids stand for where they are sums of rows.

    Examples
    --------
    >>> batch = PackedBatch.from_sequences([[7], [], [1, 2, 3]])
    >>> batch.token_ids.tolist(), batch.batch_sizes.tolist(), batch.order.tolist()
    ([1, 7, 2, 3], [2, 1, 1], [2, 0, 1])
    """

    token_ids: Tensor
    batch_sizes: Tensor
    lengths: Tensor
    order: Tensor
    types: BatchTypes | None = None

    @classmethod
    def from_arrays(cls, arrays: PackedArrays) -> Self:
        """Return the batch of tensors for collated arrays; arrays that are writable int64 are shared, not copied."""
        return cls(
            token_ids=_int64_tensor(arrays.token_ids),
            batch_sizes=_int64_tensor(arrays.batch_sizes),
            lengths=_int64_tensor(arrays.lengths),
            order=_int64_tensor(arrays.order),
            types=None
            if arrays.types is None
            else BatchTypes(_int64_tensor(arrays.types.offsets), _int64_tensor(arrays.types.part_ids)),
        )

    @classmethod
    def from_sequences(cls, sequences: Sequence[Sequence[int]]) -> Self:
        """Return the batch of a few token id sequences written out in Python."""
        lengths = torch.tensor([len(sequence) for sequence in sequences], dtype=torch.int64)
        order = torch.argsort(lengths, descending=True, stable=True)
        n_timesteps = int(lengths.max()) if len(sequences) else 0
        batch_sizes = [int((lengths > t).sum()) for t in range(n_timesteps)]
        rows = order.tolist()
        token_ids = [sequences[row][t] for t, size in enumerate(batch_sizes) for row in rows[:size]]
        return cls(
            token_ids=torch.tensor(token_ids, dtype=torch.int64),
            batch_sizes=torch.tensor(batch_sizes, dtype=torch.int64),
            lengths=lengths[order],
            order=order,
        )

    def to(self, device: torch.device | str) -> Self:
        """Return the batch with everything but ``batch_sizes`` on ``device``."""
        return replace(
            self,
            token_ids=self.token_ids.to(device),
            lengths=self.lengths.to(device),
            order=self.order.to(device),
            types=None if self.types is None else BatchTypes(*(tensor.to(device) for tensor in self.types)),
        )

    @property
    def n_rows(self) -> int:
        """Number of real timesteps in the batch, N."""
        return self.token_ids.shape[0]

    @property
    def n_sequences(self) -> int:
        """Number of sequences, empty ones included, B."""
        return self.lengths.shape[0]

    @property
    def n_nonempty(self) -> int:
        """Number of sequences with at least one timestep."""
        return int(self.batch_sizes[0]) if self.batch_sizes.shape[0] else 0

    @cached_property
    def is_rectangular(self) -> bool:
        """Whether all sequences that are not empty have one length."""
        return self.batch_sizes.shape[0] * self.n_nonempty == self.n_rows

    @cached_property
    def row_starts(self) -> Tensor:
        """First row of each timestep, shape (T,), on the device of ``token_ids``."""
        return (self.batch_sizes.cumsum(0) - self.batch_sizes).to(self.token_ids.device)

    @cached_property
    def last_rows(self) -> Tensor:
        """Row of the last timestep of each sequence that is not empty, shape (n_nonempty,)."""
        last_timesteps = self.lengths[: self.n_nonempty] - 1
        return self.row_starts[last_timesteps] + torch.arange(self.n_nonempty, device=self.token_ids.device)

    @cached_property
    def sequence_of_row(self) -> Tensor:
        """Packed sequence that each row belongs to, shape (N,)."""
        starts = torch.repeat_interleave(self.row_starts, self.batch_sizes.to(self.token_ids.device))
        return torch.arange(self.n_rows, device=self.token_ids.device) - starts

    @cached_property
    def inverse_order(self) -> Tensor:
        """Packed position of each sequence in the caller's order, shape (B,)."""
        return torch.argsort(self.order)


def _int64_tensor(array: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.require(array, dtype=np.int64, requirements=["C", "W"]))
