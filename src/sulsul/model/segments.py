"""Sums and maxima over the rows of each sequence of a packed batch."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from sulsul.model.packed_batch import PackedBatch


def segment_sum(rows: Tensor, batch: PackedBatch) -> Tensor:
    """Return the sum of each sequence's rows (N, F) as (B, F); zeros for an empty sequence."""
    sums = rows.new_zeros((batch.n_sequences, rows.shape[1]))
    return sums.index_add(0, batch.sequence_of_row, rows)


def segment_max(rows: Tensor, batch: PackedBatch) -> Tensor:
    """Return the largest of each sequence's rows (N, F), feature by feature, as (B, F); zeros for an empty sequence."""
    largest: Tensor = _SegmentMax.apply(  # type: ignore[no-untyped-call]
        rows, batch.sequence_of_row, batch.n_sequences
    )
    return largest


class _SegmentMax(torch.autograd.Function):
    """``scatter_reduce`` with a backward of whole rows.

    torch's own backward addresses every element by an index: forward and backward of 3,637 rows of 128 features take
    3.3 ms with it and 1.4 ms with this one (one thread, shortest of 200 runs; medians 5.6 and 1.8).
    """

    @staticmethod
    def forward(ctx: FunctionCtx, rows: Tensor, sequence_of_row: Tensor, n_sequences: int) -> Tensor:
        zeros = rows.new_zeros((n_sequences, rows.shape[1]))
        index = sequence_of_row.unsqueeze(1).expand_as(rows)
        largest = zeros.scatter_reduce(0, index, rows, "amax", include_self=False)
        ctx.save_for_backward(rows, sequence_of_row, largest)
        return largest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        rows, sequence_of_row, largest = ctx.saved_tensors
        is_largest = (rows == largest.index_select(0, sequence_of_row)).to(rows.dtype)
        n_equal = torch.zeros_like(largest).index_add_(0, sequence_of_row, is_largest)
        # An empty sequence has no row that would read the division by 0.
        return is_largest.mul_((grad / n_equal).index_select(0, sequence_of_row)), None, None
