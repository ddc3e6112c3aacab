import pytest
import torch
from torch.nn import functional

from sulsul.pretraining import sampled_softmax
from sulsul.pretraining.predicted_words import NO_WORD
from sulsul.pretraining.sampled_softmax import Candidates, full_softmax_loss, sampled_softmax_loss


def drawn(n: int = 11, size: int = 3, n_rows: int = 7) -> tuple[torch.Tensor, torch.Tensor, Candidates]:
    generator = torch.Generator().manual_seed(0)
    states = torch.randn((n, 2 * size), generator=generator, dtype=torch.float64, requires_grad=True)
    table = torch.randn((n_rows, size + 1), generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(n_rows, (2, n), generator=generator)
    targets[0, [1, 7]] = targets[1, 10] = NO_WORD
    negatives = torch.tensor([0, 2, 3, 6])
    expected = torch.randn(n_rows, generator=generator, dtype=torch.float64)
    return states, table, Candidates(targets, negatives, expected[targets], expected[negatives], n_rows)


def predicting(states: torch.Tensor, candidates: Candidates) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the states (M, H) of both directions that predict a word, and the words."""
    by_direction = torch.stack(states.chunk(2, dim=1))
    return by_direction[candidates.is_predicted], candidates.targets[candidates.is_predicted]


def reference(states: torch.Tensor, table: torch.Tensor, candidates: Candidates) -> torch.Tensor:
    states, targets = predicting(states, candidates)
    size = states.shape[1]
    negatives = states @ table[candidates.negatives, :size].T + table[candidates.negatives, size]
    negatives = negatives - candidates.log_expected_negatives
    same = candidates.negatives == targets[:, None]
    own = table[targets]
    expected = candidates.log_expected_targets[candidates.is_predicted]
    true = (states * own[:, :size]).sum(1) + own[:, size] - expected
    logits = torch.cat([true[:, None], negatives.masked_fill(same, -torch.inf)], dim=1)
    return functional.cross_entropy(logits, torch.zeros(len(states), dtype=torch.int64))


@pytest.mark.parametrize("drops", [False, True])
def test_loss_and_gradients_are_those_written_out(monkeypatch: pytest.MonkeyPatch, drops: bool) -> None:
    monkeypatch.setattr(sampled_softmax, "_CHUNK_ROWS", 4)  # several chunks, the last one smaller
    states, table, candidates = drawn()
    kept = torch.rand(states.shape, generator=torch.Generator().manual_seed(1)) < 0.7 if drops else None
    wanted = reference(states if kept is None else states * kept / 0.7, table, candidates)
    expected = torch.autograd.grad(wanted, (states, table))
    loss = sampled_softmax_loss(states, table, candidates, kept, share_kept=0.7 if drops else 1.0)
    torch.testing.assert_close(loss, wanted)
    for got, gradient in zip(torch.autograd.grad(2 * loss, (states, table)), expected, strict=True):
        torch.testing.assert_close(got, 2 * gradient)


def test_the_full_loss_is_the_cross_entropy_over_all_words() -> None:
    states, table, candidates = drawn()
    states, targets = predicting(states, candidates)
    logits = states @ table[:, :3].T + table[:, 3]
    wanted = functional.cross_entropy(logits, targets, reduction="sum").item()
    assert abs(full_softmax_loss(states.detach(), table.detach(), targets) - wanted) < 1e-9


def test_with_all_words_drawn_it_is_the_full_loss() -> None:
    states, table, candidates = drawn()
    nothing = torch.zeros(7, dtype=torch.float64)
    targets = torch.where(candidates.is_predicted, candidates.targets, NO_WORD)
    every = Candidates(targets, torch.arange(7), nothing[candidates.targets], nothing, 7)
    chosen, words = predicting(states.detach(), candidates)
    full = full_softmax_loss(chosen, table.detach(), words) / len(words)
    assert abs(sampled_softmax_loss(states, table, every).item() - full) < 1e-12
