"""The loss of predicting a word out of very many, estimated against a few drawn ones.

Bengio and Senécal 2008, "Adaptive importance sampling to accelerate training of a neural probabilistic language
model"; Jean et al. 2015, section 3.1: the logit of every candidate is lowered by the logarithm of how often it is
expected among the draws, and a draw that happens to be the word to predict is left out.
"""

import itertools
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sulsul.kernels import native
from sulsul.pretraining.predicted_words import NO_WORD

_CHUNK_ROWS = 1024
"""Predictions at a time: with 512 draws their logits are 2 MB, which stay in the cache."""


class Candidates:
    """The words of one step's loss, as rows of a table that holds only them.

    Parameters
    ----------
    targets : Tensor, shape (D, N), int64
        Row of the word that each direction is to predict at each place, or ``NO_WORD``.
    negatives : Tensor, shape (S,), int64
        Rows of the drawn words, distinct.
    log_expected_targets, log_expected_negatives : Tensor, shapes (D, N) and (S,)
        How often each is expected among the draws, as a logarithm.
    n_rows
        Rows of the table.
    """

    def __init__(
        self,
        targets: Tensor,
        negatives: Tensor,
        log_expected_targets: Tensor,
        log_expected_negatives: Tensor,
        n_rows: int,
    ) -> None:
        self.is_predicted = targets != NO_WORD
        self.targets = targets.clamp(min=0)
        self.negatives = negatives
        self.log_expected_targets = log_expected_targets
        self.log_expected_negatives = log_expected_negatives
        place = torch.full((n_rows,), -1, dtype=torch.int64)
        place[negatives] = torch.arange(len(negatives))
        self.hits = place[self.targets]
        """int64 (D, N): where among the negatives the word to predict is, -1 where it is not."""


def sampled_softmax_loss(
    states: Tensor, table: Tensor, candidates: Candidates, kept: Tensor | None = None, *, share_kept: float = 1.0
) -> Tensor:
    """Return the mean loss of predicting ``candidates.targets`` from ``states``.

    Parameters
    ----------
    states : Tensor, shape (N, D·H)
        Of each direction at each place.
    table : Tensor, shape (R, H+1)
        Output vectors of the candidates and, in the last column, their biases.
    candidates
        Which row is which, and at least one word to predict.
    kept : Tensor, shape (N, D·H), bool, optional
        Which values of the states dropout keeps; these count 1/``share_kept`` times.
    """
    loss: Tensor = _SampledSoftmax.apply(  # type: ignore[no-untyped-call]
        states, table, candidates, kept, share_kept
    )
    return loss


class _SampledSoftmax(torch.autograd.Function):
    """Computes the gradients with the loss, chunk by chunk: no (N, S) matrix is ever kept.

    The products are those of the kernels: of float32 they take a third of the time of torch's where there is AMX, and
    do not depend on the number of threads.
    """

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, table: Tensor, candidates: Candidates, kept: Tensor | None, share_kept: float
    ) -> Tensor:
        size = table.shape[1] - 1
        drawn = table.index_select(0, candidates.negatives)
        vectors, bias = drawn[:, :size].contiguous(), drawn[:, size] - candidates.log_expected_negatives
        d_states, d_table = torch.empty_like(states), torch.zeros_like(table)
        d_vectors, d_bias = torch.zeros_like(vectors), torch.zeros_like(bias)
        logits = states.new_empty((_CHUNK_ROWS, len(bias)))
        loss = states.new_zeros(())
        for direction, start in itertools.product(range(len(candidates.targets)), range(0, len(states), _CHUNK_ROWS)):
            rows, columns = slice(start, start + _CHUNK_ROWS), slice(direction * size, (direction + 1) * size)
            read = states[rows, columns]
            if kept is not None:
                read = read * kept[rows, columns] / share_kept
            targets, is_predicted = candidates.targets[direction, rows], candidates.is_predicted[direction, rows]
            own = table.index_select(0, targets)
            true = (read * own[:, :size]).sum(1) + own[:, size] - candidates.log_expected_targets[direction, rows]
            part = logits[: len(read)]
            native.matmul(read, vectors, part, transpose_b=True)
            part += bias
            hits = candidates.hits[direction, rows]
            (hit_rows,) = torch.nonzero(hits >= 0, as_tuple=True)
            part[hit_rows, hits[hit_rows]] = -torch.inf
            largest = torch.maximum(part.amax(1), true)
            part.sub_(largest.unsqueeze(1)).exp_()
            true_share = (true - largest).exp()
            total = part.sum(1) + true_share
            loss += ((largest + total.log() - true) * is_predicted).sum()
            per_total = is_predicted / total
            part *= per_total.unsqueeze(1)
            d_true = true_share * per_total - is_predicted.to(true_share.dtype)
            d_read = d_states[rows, columns]
            native.matmul(part, vectors, d_read)
            d_read.addcmul_(d_true.unsqueeze(1), own[:, :size])
            if kept is not None:
                d_read.mul_(kept[rows, columns]).div_(share_kept)
            native.matmul(part, read, d_vectors, transpose_a=True, accumulate=True)
            d_bias += part.sum(0)
            d_own = torch.cat([read * d_true.unsqueeze(1), d_true.unsqueeze(1)], dim=1)
            d_table.index_add_(0, targets, d_own)
        d_table.index_add_(0, candidates.negatives, torch.cat([d_vectors, d_bias.unsqueeze(1)], dim=1))
        n = int(candidates.is_predicted.sum())
        ctx.save_for_backward(d_states.div_(n), d_table.div_(n))
        return loss / n

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:
        d_states, d_table = ctx.saved_tensors
        return d_states * d_loss, d_table * d_loss, None, None, None


def full_softmax_loss(states: Tensor, table: Tensor, targets: Tensor) -> float:
    """Return the summed loss, in nats, of predicting ``targets`` (M,) among all words of ``table`` (K, H+1)."""
    total, size = 0.0, states.shape[1]
    vectors, bias = table[:, :size].contiguous(), table[:, size]
    for start in range(0, len(states), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        logits = torch.addmm(bias, states[part], vectors.t())
        total += float(torch.nn.functional.cross_entropy(logits, targets[part], reduction="sum"))
    return total
