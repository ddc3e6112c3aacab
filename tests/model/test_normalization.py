import numpy as np
import pytest
import torch
from tests.tolerances import FLOAT64_REORDERED

from sulsul.model.normalization import BatchNorm
from sulsul.model.specification import BatchNormLayer

ROWS = torch.tensor([[1.0, -2.0], [3.0, 0.0], [5.0, 8.0]], dtype=torch.float64)


def make(**options: float) -> BatchNorm:
    return BatchNorm(BatchNormLayer(**options), 2).double()


def test_training_by_hand() -> None:
    layer = make(momentum=0.9, epsilon=0.5)
    with torch.no_grad():
        layer.gamma.copy_(torch.tensor([2.0, 1.0]))
        layer.beta.copy_(torch.tensor([0.0, -1.0]))
    # Means 3 and 2; biased variances 8/3 and (16 + 4 + 36)/3 = 56/3.
    outputs = layer(ROWS).detach().numpy()
    expected = (ROWS.numpy() - [3, 2]) / np.sqrt([8 / 3 + 0.5, 56 / 3 + 0.5]) * [2, 1] + [0, -1]
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=FLOAT64_REORDERED)
    np.testing.assert_allclose(layer.moving_mean, [0.3, 0.2], rtol=0, atol=FLOAT64_REORDERED)
    variances = [0.9 + 0.1 * 8 / 3, 0.9 + 0.1 * 56 / 3]
    np.testing.assert_allclose(layer.moving_variance, variances, rtol=0, atol=FLOAT64_REORDERED)


def test_evaluation_reads_the_moving_statistics_and_leaves_them() -> None:
    layer = make().eval()
    layer.moving_mean.fill_(1.0)
    layer.moving_variance.fill_(4.0)
    expected = (ROWS.numpy() - 1) / np.sqrt(4 + 1e-3)
    np.testing.assert_allclose(layer(ROWS).detach(), expected, rtol=0, atol=FLOAT64_REORDERED)
    assert layer.moving_mean.tolist() == [1.0, 1.0]


def test_keras_defaults() -> None:
    layer = make()
    assert (layer.momentum, layer.epsilon) == (0.99, 1e-3)
    assert layer.moving_mean.tolist() == [0.0, 0.0]
    assert layer.moving_variance.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("n_rows", [0, 1])
def test_hardly_any_rows(n_rows: int) -> None:
    layer = make()
    outputs = layer(ROWS[:n_rows])
    assert outputs.shape == (n_rows, 2)
    assert outputs.isfinite().all()
    assert layer.moving_variance.isfinite().all()


def test_gradient_check() -> None:
    layer = make()
    assert torch.autograd.gradcheck(layer, ROWS.clone().requires_grad_())
