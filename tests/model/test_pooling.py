import pytest
import torch
from tests.tolerances import FLOAT64_REORDERED
from torch import Tensor, nn

from sulsul.model.packed_batch import PackedBatch
from sulsul.model.pooling import AttentionPooling, LastPooling, MaxPooling, MeanPooling
from sulsul.model.segments import segment_max

LENGTHS = [(5, 0, 3, 3, 1), (4, 4), (1,), (0, 0), ()]
F = 4


def poolings() -> list[nn.Module]:
    attention = AttentionPooling(F, torch.Generator().manual_seed(0)).double()
    return [LastPooling(0), LastPooling(2), MeanPooling(), MaxPooling(), attention]


def naive(pooling: nn.Module, rows: Tensor) -> Tensor:
    """Pool one sequence (T, F) by the definition."""
    if not len(rows):
        return torch.zeros(F, dtype=rows.dtype)
    if isinstance(pooling, LastPooling):
        n_forward = F - pooling.n_backward
        return torch.cat([rows[-1, :n_forward], rows[0, n_forward:]])
    if isinstance(pooling, MeanPooling):
        return rows.mean(0)
    if isinstance(pooling, MaxPooling):
        return rows.amax(0)
    assert isinstance(pooling, AttentionPooling)
    return torch.softmax(rows @ pooling.query, 0) @ rows


def make(lengths: tuple[int, ...]) -> tuple[PackedBatch, Tensor]:
    batch = PackedBatch.from_sequences([[0] * length for length in lengths])
    rows = torch.randn((batch.n_rows, F), generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return batch, rows


@pytest.mark.parametrize("pooling", poolings(), ids=lambda pooling: type(pooling).__name__)
@pytest.mark.parametrize("lengths", LENGTHS)
def test_against_a_naive_loop(pooling: nn.Module, lengths: tuple[int, ...]) -> None:
    batch, rows = make(lengths)
    rows.requires_grad_()
    pooled = pooling(rows, batch)
    expected = [naive(pooling, rows[batch.sequence_of_row == k]) for k in range(len(lengths))]
    assert pooled.shape == (len(lengths), F)
    if not lengths:
        return
    torch.testing.assert_close(pooled, torch.stack(expected), rtol=0, atol=FLOAT64_REORDERED)
    weights = torch.arange(pooled.numel(), dtype=torch.float64).view_as(pooled)
    if batch.n_rows:
        ours, theirs = (torch.autograd.grad((weights * p).sum(), rows)[0] for p in (pooled, torch.stack(expected)))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=100 * FLOAT64_REORDERED)


@pytest.mark.parametrize("pooling", poolings(), ids=lambda pooling: type(pooling).__name__)
def test_gradient_check(pooling: nn.Module) -> None:
    batch, rows = make((3, 0, 2))
    assert torch.autograd.gradcheck(lambda hidden: pooling(hidden, batch), rows.requires_grad_())


@pytest.mark.parametrize("pooling", poolings(), ids=lambda pooling: type(pooling).__name__)
def test_neighbours_change_no_bit(pooling: nn.Module) -> None:
    batch, rows = make((5, 0, 3, 3, 1))
    pooled = pooling(rows, batch)
    for k, length in enumerate(batch.lengths.tolist()):
        alone = PackedBatch.from_sequences([[0] * length])
        assert torch.equal(pooling(rows[batch.sequence_of_row == k], alone)[0], pooled[k])


def test_equal_maxima_share_the_gradient() -> None:
    batch = PackedBatch.from_sequences([[0, 0, 0]])
    rows = torch.tensor([[2.0], [1.0], [2.0]], requires_grad=True)
    segment_max(rows, batch).sum().backward()
    assert rows.grad is not None
    assert rows.grad.tolist() == [[0.5], [0.0], [0.5]]


def test_attention_weights_of_a_sequence_sum_to_one_at_any_scale() -> None:
    batch, rows = make((5, 0, 3))
    attention = poolings()[-1]
    assert isinstance(attention, AttentionPooling)
    weights = attention.weights(1e4 * rows, batch)
    assert weights[batch.sequence_of_row == 0].sum().item() == pytest.approx(1.0)
    assert weights.isfinite().all()
