import math

import numpy as np
import pytest
import torch

from sulsul.training.clipping import clip_gradients, global_norm


def with_gradients(*gradients: torch.Tensor) -> list[torch.nn.Parameter]:
    parameters = [torch.nn.Parameter(torch.zeros_like(gradient)) for gradient in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    return parameters


@pytest.mark.parametrize("size", [1, 2, 4095, 4096, 4097, 8192, 100_003])
def test_the_norm_is_that_of_all_values(size: int) -> None:
    values = np.random.default_rng(1).normal(size=size)
    expected = np.linalg.norm(np.append(values, [3.0, 4.0]))
    tensors = [torch.tensor(values), torch.tensor([[3.0], [4.0]], dtype=torch.float64)]
    assert global_norm(tensors).item() == pytest.approx(expected, rel=1e-12)


def test_the_number_of_threads_changes_no_bit() -> None:
    values, n_threads, norms = torch.randn(1000, 1003, generator=torch.Generator().manual_seed(2)), 0, []
    n_threads = torch.get_num_threads()
    for threads in (1, 2, 3, 4):
        torch.set_num_threads(threads)
        norms.append(global_norm([values]).item())
    torch.set_num_threads(n_threads)
    assert len(set(norms)) == 1


def test_large_gradients_shrink_by_one_factor() -> None:
    parameters = with_gradients(torch.tensor([3.0]), torch.tensor([[0.0, 4.0]]))
    assert clip_gradients(parameters, 2.5) == 5.0
    assert parameters[0].grad is not None
    assert parameters[1].grad is not None
    assert parameters[0].grad.tolist() == [1.5]
    assert parameters[1].grad.tolist() == [[0.0, 2.0]]


def test_small_gradients_stay() -> None:
    parameters = with_gradients(torch.tensor([3.0, 4.0]))
    assert clip_gradients(parameters, 5.0) == 5.0
    assert parameters[0].grad is not None
    assert parameters[0].grad.tolist() == [3.0, 4.0]


def test_without_gradients_and_without_numbers() -> None:
    assert clip_gradients([torch.nn.Parameter(torch.zeros(2))], 1.0) == 0.0
    parameters = with_gradients(torch.tensor([math.nan, 1.0]))
    assert math.isnan(clip_gradients(parameters, 0.1))
    assert parameters[0].grad is not None
    assert parameters[0].grad[1] == 1.0
