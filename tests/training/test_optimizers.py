"""Every optimizer against Keras's formulas written out in float64."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from sulsul.errors import TrainingError
from sulsul.training.optimizers import (
    build_optimizer,
    load_optimizer_tensors,
    optimizer_tensors,
    take_lazy_step,
    take_step,
)
from sulsul.training.settings import TrainingSettings

Array = npt.NDArray[np.float64]
LEARNING_RATES = [0.01, 0.01, 0.005, 0.02, 0.001]


def keras_sgd(w: Array, gradients: list[Array], momentum: float, decay: float) -> Array:
    velocity = np.zeros_like(w)
    for gradient in gradients:
        velocity = momentum * velocity - 0.01 * (gradient + decay * w)
        w = w + velocity
    return w


def keras_rmsprop(w: Array, gradients: list[Array], rates: list[float], decay: float) -> Array:
    average = np.zeros_like(w)
    for gradient, rate in zip(gradients, rates, strict=True):
        gradient = gradient + decay * w
        average = 0.9 * average + 0.1 * gradient**2
        w = w - rate * gradient / np.sqrt(average + 1e-7)
    return w


def keras_adam(w: Array, gradients: list[Array], rates: list[float], decay: float) -> Array:
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        w = w - w * decay * rate
        m += (gradient - m) * (1 - 0.9)
        v += (gradient**2 - v) * (1 - 0.999)
        w = w - m * rate * math.sqrt(1 - 0.999**t) / (1 - 0.9**t) / (np.sqrt(v) + 1e-7)
    return w


def train(settings: TrainingSettings, w: Array, gradients: list[Array], rates: list[float]) -> Array:
    parameter = torch.nn.Parameter(torch.tensor(w))
    optimizer = build_optimizer([parameter], settings)
    for step, (gradient, rate) in enumerate(zip(gradients, rates, strict=True)):
        parameter.grad = torch.tensor(gradient)
        take_step(optimizer, learning_rate=rate, step=step)
    return parameter.detach().numpy()


# Vanishing gradients are where the place of epsilon decides.
@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e-6, 1e-9])
@pytest.mark.parametrize(
    ("name", "expected", "decay"),
    [
        ("rmsprop", keras_rmsprop, 0.0),
        ("rmsprop", keras_rmsprop, 0.1),
        ("adam", keras_adam, 0.0),
        ("adamw", keras_adam, 0.0),
        ("adamw", keras_adam, 0.1),
    ],
)
def test_adaptive_optimizers_follow_keras(
    name: str, expected: Callable[[Array, list[Array], list[float], float], Array], decay: float, scale: float
) -> None:
    rng = np.random.default_rng(3)
    w, gradients = rng.normal(size=7), [scale * rng.normal(size=7) for _ in LEARNING_RATES]
    settings = TrainingSettings.model_validate({"optimizer": name, "weight_decay": decay})
    updated = train(settings, w, gradients, LEARNING_RATES)
    np.testing.assert_allclose(updated, expected(w, gradients, LEARNING_RATES, decay), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.9, 0.1)])
def test_sgd_follows_keras_at_a_constant_rate(momentum: float, decay: float) -> None:
    rng = np.random.default_rng(4)
    w, gradients = rng.normal(size=5), [rng.normal(size=5) for _ in range(5)]
    settings = TrainingSettings(optimizer="sgd", momentum=momentum, weight_decay=decay)
    updated = train(settings, w, gradients, [0.01] * 5)
    np.testing.assert_allclose(updated, keras_sgd(w, gradients, momentum, decay), rtol=1e-12)


def test_first_rmsprop_step_by_hand() -> None:
    # g = 2: v = 0.1 · 4 = 0.4, step = 0.5 · 2 / sqrt(0.4 + 1e-7).
    updated = train(TrainingSettings(optimizer="rmsprop"), np.array([1.0]), [np.array([2.0])], [0.5])
    assert updated[0] == pytest.approx(1.0 - 1.0 / math.sqrt(0.4000001), rel=1e-14)


def test_lazy_adam_is_sparse_adam() -> None:
    # With gradients of order 1 the place of epsilon, where torch differs from Keras, does not show.
    rng = np.random.default_rng(6)
    start = torch.tensor(rng.normal(size=(9, 4)))
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    optimizer = build_optimizer([ours], TrainingSettings(optimizer="adam"))
    sparse = torch.optim.SparseAdam([theirs], lr=0.01, eps=1e-7)
    for step in range(20):
        rows = torch.tensor(np.sort(rng.choice(9, int(rng.integers(0, 5)), replace=False)))
        gradient = torch.zeros(9, 4, dtype=torch.float64)
        gradient[rows] = torch.tensor(rng.choice([-1.0, 1.0], (len(rows), 4)) * rng.uniform(1.0, 2.0, (len(rows), 4)))
        take_lazy_step(optimizer, table=ours, rows=rows, gradient=gradient[rows], learning_rate=0.01, step=step)
        theirs.grad = torch.sparse_coo_tensor(rows.unsqueeze(0), gradient[rows], (9, 4), check_invariants=True)
        sparse.step()
    torch.testing.assert_close(ours.detach(), theirs.detach(), rtol=0.0, atol=1e-7)
    assert not torch.equal(ours.detach(), start)


def test_a_parameter_without_gradient_stays() -> None:
    parameters = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    optimizer = build_optimizer(parameters, TrainingSettings(optimizer="rmsprop"))
    take_step(optimizer, learning_rate=0.1, step=0)
    parameters[0].grad = torch.ones(2)
    take_step(optimizer, learning_rate=0.1, step=1)
    assert (parameters[0] < 1.0).all()
    assert (parameters[1] == 1.0).all()


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adam", "adamw"])
def test_the_number_of_threads_changes_no_bit(name: str) -> None:
    rng = np.random.default_rng(5)
    gradients = [rng.normal(size=(101, 997)).astype(np.float32) for _ in range(2)]
    settings, updated, n_threads = TrainingSettings.model_validate({"optimizer": name}), [], torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        updated.append(train(settings, np.ones((101, 997), np.float32), gradients, [0.1, 0.1]).tobytes())
    torch.set_num_threads(n_threads)
    assert updated[0] == updated[1] == updated[2]


def test_tensors_of_another_network_are_refused() -> None:
    parameter = torch.nn.Parameter(torch.zeros(3))
    optimizer = build_optimizer([parameter], TrainingSettings())
    for tensors in ({"other/exp_avg": torch.zeros(3)}, {"w/exp_avg": torch.zeros(4)}):
        with pytest.raises(TrainingError, match="does not fit this classifier"):
            load_optimizer_tensors(optimizer, [("w", parameter)], tensors)
    assert optimizer_tensors(optimizer, [("w", parameter)]) == {}


def test_rmsprop_takes_no_closure() -> None:
    optimizer = build_optimizer([torch.nn.Parameter(torch.zeros(1))], TrainingSettings(optimizer="rmsprop"))
    with pytest.raises(ValueError, match="no closure"):
        optimizer.step(lambda: 0.0)
