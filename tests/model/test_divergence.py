import math

import pytest
import torch

from sulsul.model.divergence import divergence
from sulsul.model.loss import probabilities
from sulsul.model.specification import OutputKind

OUTPUTS: list[tuple[OutputKind, int]] = [("softmax", 3), ("sigmoid", 1), ("multi-label", 4)]


def logits(n_logits: int, seed: int) -> torch.Tensor:
    return 3 * torch.randn((5, n_logits), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("output", "n_logits"), OUTPUTS)
def test_it_is_the_sum_written_out(output: OutputKind, n_logits: int) -> None:
    before, now = logits(n_logits, 0), logits(n_logits, 1)
    p, q = probabilities(before, output), probabilities(now, output)
    if output == "multi-label":
        p, q = torch.stack([p, 1 - p], 2), torch.stack([q, 1 - q], 2)
    expected = (p * (p / q).log()).sum(-1).mean()
    torch.testing.assert_close(divergence(before, now, output), expected)
    assert expected > 0
    assert divergence(before, before, output) == 0


@pytest.mark.parametrize(("output", "n_logits"), OUTPUTS)
def test_its_gradient_is_that_of_finite_differences_and_goes_one_way(output: OutputKind, n_logits: int) -> None:
    before, now = logits(n_logits, 0).requires_grad_(), logits(n_logits, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda moved: divergence(before, moved, output), now)
    divergence(before, now, output).backward()
    assert before.grad is None


def test_where_both_are_sure_it_is_not_lost() -> None:
    # Of float32 probabilities one below 1 the first difference would be 0.
    sure, surer = torch.tensor([[20.0]]), torch.tensor([[20.1]])
    p, q = (1 / (1 + math.exp(logit)) for logit in (20.0, 20.1))
    expected = p * math.log(p / q) + (1 - p) * (math.log1p(-p) - math.log1p(-q))
    assert float(divergence(sure, surer, "sigmoid")) == pytest.approx(expected, rel=1e-4)
    assert expected > 0
