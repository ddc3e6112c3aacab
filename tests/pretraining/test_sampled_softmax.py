import torch
from torch.nn import functional

from sulsul.pretraining import sampled_softmax
from sulsul.pretraining.sampled_softmax import Candidates, full_softmax_loss, sampled_softmax_loss


def drawn(n: int = 11, size: int = 3, n_rows: int = 7) -> tuple[torch.Tensor, torch.Tensor, Candidates]:
    generator = torch.Generator().manual_seed(0)
    states = torch.randn((n, size), generator=generator, dtype=torch.float64, requires_grad=True)
    table = torch.randn((n_rows, size + 1), generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(n_rows, (n,), generator=generator)
    negatives = torch.tensor([0, 2, 3, 6])
    expected = torch.randn(n_rows, generator=generator, dtype=torch.float64)
    return states, table, Candidates(targets, negatives, expected[targets], expected[negatives], n_rows)


def reference(states: torch.Tensor, table: torch.Tensor, candidates: Candidates) -> torch.Tensor:
    size = states.shape[1]
    negatives = states @ table[candidates.negatives, :size].T + table[candidates.negatives, size]
    negatives = negatives - candidates.log_expected_negatives
    same = candidates.negatives == candidates.targets[:, None]
    own = table[candidates.targets]
    true = (states * own[:, :size]).sum(1) + own[:, size] - candidates.log_expected_targets
    logits = torch.cat([true[:, None], negatives.masked_fill(same, -torch.inf)], dim=1)
    return functional.cross_entropy(logits, torch.zeros(len(states), dtype=torch.int64))


def test_loss_and_gradients_are_those_written_out(monkeypatch) -> None:
    monkeypatch.setattr(sampled_softmax, "_CHUNK_ROWS", 4)  # several chunks, the last one smaller
    states, table, candidates = drawn()
    expected = torch.autograd.grad(reference(states, table, candidates), (states, table))
    loss = sampled_softmax_loss(states, table, candidates)
    torch.testing.assert_close(loss, reference(states, table, candidates))
    for got, wanted in zip(torch.autograd.grad(2 * loss, (states, table)), expected, strict=True):
        torch.testing.assert_close(got, 2 * wanted)


def test_the_full_loss_is_the_cross_entropy_over_all_words() -> None:
    states, table, candidates = drawn()
    logits = states @ table[:, :3].T + table[:, 3]
    wanted = functional.cross_entropy(logits, candidates.targets, reduction="sum").item()
    assert abs(full_softmax_loss(states.detach(), table.detach(), candidates.targets) - wanted) < 1e-9


def test_with_all_words_drawn_it_is_the_full_loss() -> None:
    states, table, candidates = drawn()
    nothing = torch.zeros(7, dtype=torch.float64)
    every = Candidates(candidates.targets, torch.arange(7), nothing[candidates.targets], nothing, 7)
    full = full_softmax_loss(states.detach(), table.detach(), candidates.targets) / len(states)
    assert abs(sampled_softmax_loss(states, table, every).item() - full) < 1e-12
