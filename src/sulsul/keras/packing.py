"""Where the unmasked timesteps of a padded batch lie among packed rows."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Packing:
    """The unmasked timesteps of B padded sequences as N packed rows: time-major, longest sequence first.

    A masked timestep leaves a state as it was, so sequences are packed as if their masked timesteps were not there,
    wherever these stand.

    Attributes
    ----------
    shape
        B and T.
    batch_sizes
        Sequences that reach each unmasked timestep, int64.
    lengths
        (B,) int64, in the caller's order.
    order, places
        (B,) int64: the sequence at each packed place, and the place of each sequence.
    source
        (N,) int64: the row b·T + t of the padded batch that each packed row is read from.
    target
        (N,) int64: the row of the padded output that it is written to. They differ where time runs backwards: Keras
        leaves such an output in the order of computation.
    """

    shape: tuple[int, int]
    batch_sizes: Tensor
    lengths: Tensor
    order: Tensor
    places: Tensor
    source: Tensor
    target: Tensor

    @property
    def is_full(self) -> bool:
        """Whether no timestep is masked."""
        return len(self.source) == self.shape[0] * self.shape[1]

    def written(self, hidden: Tensor) -> Tensor:
        """Return packed rows (N, H) as (B, T, H), zeros where masked."""
        n_sequences, n_timesteps = self.shape
        padded = hidden.new_zeros(n_sequences * n_timesteps, hidden.shape[1])
        return padded.index_copy(0, self.target, hidden).view(n_sequences, n_timesteps, -1)

    def carried(self, hidden: Tensor) -> Tensor:
        """Return packed rows (N, H) as (B, T, H): where masked, the output before; zeros before the first."""
        if self.is_full:
            return self.written(hidden)
        n_sequences, n_timesteps = self.shape
        row_of = torch.full((n_sequences * n_timesteps,), -1)
        row_of[self.target] = torch.arange(len(self.target))
        times = torch.arange(n_timesteps).expand(self.shape)
        latest = torch.where(row_of.view(self.shape) >= 0, times, -1).cummax(1).values
        rows = row_of.view(self.shape).gather(1, latest.clamp(min=0))  # -1, the row of zeros, before the first
        below = torch.cat([hidden, hidden.new_zeros(1, hidden.shape[1])])
        return below.index_select(0, (rows % len(below)).flatten()).view(n_sequences, n_timesteps, -1)


def pack_full(n_sequences: int, n_timesteps: int, *, backwards: bool = False) -> Packing:
    """Return the packing of a batch without a mask."""
    rows = torch.arange(n_sequences * n_timesteps).view(n_sequences, n_timesteps)
    target = rows.t().reshape(-1)
    order = torch.arange(n_sequences)
    return Packing(
        (n_sequences, n_timesteps),
        torch.full((n_timesteps,), n_sequences),
        torch.full((n_sequences,), n_timesteps),
        order,
        order,
        rows.flip(1).t().reshape(-1) if backwards else target,
        target,
    )


def pack_mask(mask: Tensor, *, backwards: bool = False) -> Packing:
    """Return the packing of a batch by its mask (B, T), true where a timestep counts."""
    n_sequences, n_timesteps = mask.shape
    mask = mask.flip(1) if backwards else mask
    lengths = mask.sum(1)
    order = torch.argsort(lengths, descending=True, stable=True)
    # In the order of lengths and time-major, the unmasked come out as packed rows once they are moved to the left.
    ordered = mask[order]
    times = torch.argsort(~ordered, dim=1, stable=True)
    real = torch.arange(n_timesteps) < lengths[order].unsqueeze(1)
    longest = int(lengths.max())
    times, real = times.t()[:longest], real.t()[:longest]
    base = (order * n_timesteps).expand(longest, n_sequences)
    target = (base + times)[real]
    source = (base + (n_timesteps - 1 - times))[real] if backwards else target
    return Packing((n_sequences, n_timesteps), real.sum(1), lengths, order, torch.argsort(order), source, target)
