"""The loss of predicting a word out of very many, estimated against a few drawn ones.

Bengio and Senécal 2008, "Adaptive importance sampling to accelerate training of a neural probabilistic language
model"; Jean et al. 2015, section 3.1: the logit of every candidate is lowered by the logarithm of how often it is
expected among the draws, and a draw that happens to be the word to predict is left out.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_CHUNK_ROWS = 1024
"""Predictions at a time: with 512 draws their logits are 2 MB, which stay in the cache."""


class Candidates:
    """The words of one step's loss, as rows of a table that holds only them.

    Parameters
    ----------
    targets : Tensor, shape (M,), int64
        Row of the word to predict.
    negatives : Tensor, shape (S,), int64
        Rows of the drawn words, distinct.
    log_expected_targets, log_expected_negatives : Tensor, shapes (M,) and (S,)
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
        self.targets = targets
        self.negatives = negatives
        self.log_expected_targets = log_expected_targets
        self.log_expected_negatives = log_expected_negatives
        place = torch.full((n_rows,), -1, dtype=torch.int64)
        place[negatives] = torch.arange(len(negatives))
        self.hits = place[targets]
        """int64 (M,): where among the negatives the word to predict is, -1 where it is not."""


def sampled_softmax_loss(states: Tensor, table: Tensor, candidates: Candidates) -> Tensor:
    """Return the mean loss of predicting ``candidates.targets`` from ``states``.

    Parameters
    ----------
    states : Tensor, shape (M, H)
        One for each word to predict.
    table : Tensor, shape (R, H+1)
        Output vectors of the candidates and, in the last column, their biases.
    candidates
        Which row is which.
    """
    loss: Tensor = _SampledSoftmax.apply(states, table, candidates)  # type: ignore[no-untyped-call]
    return loss


class _SampledSoftmax(torch.autograd.Function):
    """Computes the gradients with the loss, chunk by chunk: no (M, S) matrix is ever kept."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, table: Tensor, candidates: Candidates) -> Tensor:
        n, size = states.shape
        drawn = table.index_select(0, candidates.negatives)
        vectors, bias = drawn[:, :size].contiguous(), drawn[:, size] - candidates.log_expected_negatives
        own = table.index_select(0, candidates.targets)
        true_logits = (states * own[:, :size]).sum(1) + own[:, size] - candidates.log_expected_targets
        d_states, d_true = torch.empty_like(states), torch.empty_like(true_logits)
        d_vectors, d_bias = torch.zeros_like(vectors), torch.zeros_like(bias)
        loss = states.new_zeros(())
        for start in range(0, n, _CHUNK_ROWS):
            part = slice(start, start + _CHUNK_ROWS)
            logits = torch.addmm(bias, states[part], vectors.t())
            hits = candidates.hits[part]
            (hit_rows,) = torch.nonzero(hits >= 0, as_tuple=True)
            logits[hit_rows, hits[hit_rows]] = -torch.inf
            true = true_logits[part]
            largest = torch.maximum(logits.amax(1), true)
            logits.sub_(largest.unsqueeze(1)).exp_()
            true_share = (true - largest).exp()
            total = logits.sum(1) + true_share
            loss += (largest + total.log() - true).sum()
            logits.mul_(total.reciprocal().unsqueeze(1))
            torch.mm(logits, vectors, out=d_states[part])
            d_vectors.addmm_(logits.t(), states[part])
            d_bias += logits.sum(0)
            d_true[part] = true_share / total - 1.0
        d_states.addcmul_(d_true.unsqueeze(1), own[:, :size])
        d_table = torch.zeros_like(table)
        d_table.index_copy_(0, candidates.negatives, torch.cat([d_vectors, d_bias.unsqueeze(1)], dim=1))
        d_own = torch.cat([states * d_true.unsqueeze(1), d_true.unsqueeze(1)], dim=1)
        d_table.index_add_(0, candidates.targets, d_own)
        ctx.save_for_backward(d_states.div_(n), d_table.div_(n))
        return loss / n

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor, Tensor, None]:
        d_states, d_table = ctx.saved_tensors
        return d_states * d_loss, d_table * d_loss, None


def full_softmax_loss(states: Tensor, table: Tensor, targets: Tensor) -> float:
    """Return the summed loss, in nats, of predicting ``targets`` (M,) among all words of ``table`` (K, H+1)."""
    total, size = 0.0, states.shape[1]
    vectors, bias = table[:, :size].contiguous(), table[:, size]
    for start in range(0, len(states), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        logits = torch.addmm(bias, states[part], vectors.t())
        total += float(torch.nn.functional.cross_entropy(logits, targets[part], reduction="sum"))
    return total
