"""From the hidden states of a sequence to one vector, without a padded tensor.

Every pooling reads packed rows (N, F), gives one row per packed sequence (B, F), and zeros for an empty sequence. A
sequence's vector is computed from its own rows alone, in the order of time, whoever its neighbours are.
"""

import torch
from torch import Generator, Tensor, nn

from sulsul.model import initialization
from sulsul.model.packed_batch import PackedBatch
from sulsul.model.segments import segment_max, segment_sum


class LastPooling(nn.Module):
    """The forward state at the last timestep, and behind it the backward state at timestep 0.

    Parameters
    ----------
    n_backward
        Number of trailing features that belong to a backward direction; 0 where there is none.
    """

    def __init__(self, n_backward: int) -> None:
        super().__init__()
        self.n_backward = n_backward

    def forward(self, hidden: Tensor, batch: PackedBatch) -> Tensor:
        """Return (B, F) for the packed rows (N, F)."""
        n_forward = hidden.shape[1] - self.n_backward
        last = hidden.index_select(0, batch.last_rows)
        if self.n_backward:
            first = hidden[: batch.n_nonempty]
            last = torch.cat([last[:, :n_forward], first[:, n_forward:]], dim=1)
        return _with_empty_sequences(last, batch)


class MeanPooling(nn.Module):
    """The mean over the timesteps."""

    def forward(self, hidden: Tensor, batch: PackedBatch) -> Tensor:
        """Return (B, F) for the packed rows (N, F)."""
        lengths = batch.lengths.clamp(min=1).to(hidden.dtype)
        return segment_sum(hidden, batch) / lengths.unsqueeze(1)


class MaxPooling(nn.Module):
    """The largest value of each feature over the timesteps; equal largest values share the gradient."""

    def forward(self, hidden: Tensor, batch: PackedBatch) -> Tensor:
        """Return (B, F) for the packed rows (N, F)."""
        return segment_max(hidden, batch)


class AttentionPooling(nn.Module):
    """A weighted mean whose weights are the softmax over time of the rows' products with a learned query.

    Felbo et al. 2017, "Using millions of emoji occurrences …" (DeepMoji), section 3.3: e_t = h_t·q, a = softmax(e),
    v = Σ a_t h_t. A bias would cancel in the softmax.

    Attributes
    ----------
    query : Parameter, shape (F,)
    """

    def __init__(self, size: int, generator: Generator) -> None:
        super().__init__()
        self.query = nn.Parameter(initialization.glorot_uniform(size, 1, generator).squeeze(1))

    def weights(self, hidden: Tensor, batch: PackedBatch) -> Tensor:
        """Return the weight of every packed row, shape (N,); those of a sequence sum to 1."""
        # Not a matrix product: libraries round a row differently by its place among the others.
        scores = (hidden * self.query).sum(dim=1, keepdim=True)
        sequence_of_row = batch.sequence_of_row
        largest = segment_max(scores.detach(), batch).index_select(0, sequence_of_row)
        shares = torch.exp(scores - largest)
        return (shares / segment_sum(shares, batch).index_select(0, sequence_of_row)).squeeze(1)

    def forward(self, hidden: Tensor, batch: PackedBatch) -> Tensor:
        """Return (B, F) for the packed rows (N, F)."""
        return segment_sum(hidden * self.weights(hidden, batch).unsqueeze(1), batch)


def _with_empty_sequences(pooled: Tensor, batch: PackedBatch) -> Tensor:
    n_empty = batch.n_sequences - batch.n_nonempty
    return torch.cat([pooled, pooled.new_zeros((n_empty, pooled.shape[1]))]) if n_empty else pooled
