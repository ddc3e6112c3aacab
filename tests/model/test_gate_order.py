"""The weights of one framework, converted, must compute the same with another framework's equations."""

import numpy as np
import pytest
import torch
from tests.tolerances import FLOAT64_REORDERED

from sulsul.model import gate_order
from sulsul.model.gate_order import Cell
from sulsul.model.recurrence_inputs import DirectionParameters

CELLS: list[tuple[Cell, bool]] = [("simple-rnn", False), ("lstm", False), ("gru", False), ("gru", True)]
N_GATES = {"simple-rnn": 1, "gru": 3, "lstm": 4}
H, I = 3, 2  # noqa: E741


def draw(cell: Cell, *, two_rows: bool, seed: int = 0) -> DirectionParameters:
    generator = torch.Generator().manual_seed(seed)
    columns = N_GATES[cell] * H
    bias_shape = (2, columns) if two_rows else (columns,)
    shapes = [(I, columns), (H, columns), bias_shape]
    return DirectionParameters(*(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes))


@pytest.mark.parametrize(("cell", "order"), [("lstm", "iofc"), ("gru", "zrn")])
def test_onnx_order_is_the_operators_own(cell: Cell, order: str) -> None:
    names = gate_order.GATE_ORDERS["keras", cell]
    marked = torch.tensor([float(ord(gate)) for gate in names]).repeat_interleave(H)
    moved = gate_order.reorder_gates(marked, cell, "keras", "onnx")
    assert "".join(chr(int(value)) for value in moved[::H]) == order


@pytest.mark.parametrize(("cell", "two_rows"), CELLS)
def test_to_onnx_and_back(cell: Cell, *, two_rows: bool) -> None:
    both = [draw(cell, two_rows=two_rows), draw(cell, two_rows=two_rows, seed=1)]
    back = gate_order.from_onnx(cell, gate_order.to_onnx(cell, both))
    for ours, theirs in zip(both, back, strict=True):
        assert all(torch.equal(mine, returned) for mine, returned in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(("cell", "two_rows"), [("simple-rnn", False), ("lstm", False), ("gru", True)])
def test_to_torch_and_back(cell: Cell, *, two_rows: bool) -> None:
    ours = draw(cell, two_rows=two_rows)
    theirs = gate_order.from_torch(cell, gate_order.to_torch(cell, ours))
    assert all(torch.equal(mine, returned) for mine, returned in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("module_class", [torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN])
def test_weights_of_a_torch_module_come_back(module_class: type[torch.nn.RNNBase]) -> None:
    cell: Cell = {torch.nn.LSTM: "lstm", torch.nn.GRU: "gru", torch.nn.RNN: "simple-rnn"}[module_class]
    module = module_class(I, H, dtype=torch.float64)
    weights = gate_order.TorchWeights(*(tensor.detach() for tensor in module._flat_weights))
    again = gate_order.to_torch(cell, gate_order.from_torch(cell, weights))
    assert torch.equal(again.weight_ih, weights.weight_ih)
    assert torch.equal(again.weight_hh, weights.weight_hh)
    if cell == "gru":
        assert torch.equal(again.bias_hh, weights.bias_hh)
    else:
        assert torch.equal(again.bias_ih, weights.bias_ih + weights.bias_hh)


@pytest.mark.parametrize(("cell", "two_rows"), CELLS)
def test_onnx_equations_on_converted_weights(cell: Cell, *, two_rows: bool) -> None:
    """One timestep by the formulas of the ONNX operators against one by Keras's."""
    parameters = draw(cell, two_rows=two_rows)
    rng = np.random.default_rng(0)
    x, h, c = rng.normal(size=I), rng.normal(size=H), rng.normal(size=H)
    weights = gate_order.to_onnx(cell, [parameters])
    W, R, B = (tensor[0].numpy() for tensor in weights[:3])
    ours = keras_step(cell, x, h, c, *(tensor.numpy() for tensor in parameters))
    theirs = onnx_step(cell, x, h, c, W, R, B, linear_before_reset=weights.linear_before_reset)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=FLOAT64_REORDERED)
    assert weights.linear_before_reset == int(cell == "gru" and two_rows)


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def onnx_step(cell, x, h, c, W, R, B, *, linear_before_reset):  # type: ignore[no-untyped-def]
    w_bias, r_bias = B[: len(W)], B[len(W) :]
    if cell == "simple-rnn":
        return np.tanh(x @ W.T + h @ R.T + w_bias + r_bias)
    if cell == "lstm":
        i, o, f, g = np.split(x @ W.T + h @ R.T + w_bias + r_bias, 4)
        c = logistic(f) * c + logistic(i) * np.tanh(g)
        return logistic(o) * np.tanh(c)
    (wz, wr, wh), (rz, rr, rh) = np.split(W, 3), np.split(R, 3)
    (wbz, wbr, wbh), (rbz, rbr, rbh) = np.split(w_bias, 3), np.split(r_bias, 3)
    z, r = logistic(x @ wz.T + h @ rz.T + wbz + rbz), logistic(x @ wr.T + h @ rr.T + wbr + rbr)
    if linear_before_reset:
        new = np.tanh(x @ wh.T + r * (h @ rh.T + rbh) + wbh)
    else:
        new = np.tanh(x @ wh.T + (r * h) @ rh.T + rbh + wbh)
    return (1 - z) * new + z * h


def keras_step(cell, x, h, c, kernel, recurrent, bias):  # type: ignore[no-untyped-def]
    if cell == "simple-rnn":
        return np.tanh(x @ kernel + h @ recurrent + bias)
    if cell == "lstm":
        i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4)
        c = logistic(f) * c + logistic(i) * np.tanh(g)
        return logistic(o) * np.tanh(c)
    input_bias, recurrent_bias = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
    x_z, x_r, x_h = np.split(x @ kernel + input_bias, 3)
    if bias.ndim == 2:
        h_z, h_r, h_h = np.split(h @ recurrent + recurrent_bias, 3)
        z, r = logistic(x_z + h_z), logistic(x_r + h_r)
        new = np.tanh(x_h + r * h_h)
    else:
        u_z, u_r, u_h = np.split(recurrent, 3, axis=1)
        z, r = logistic(x_z + h @ u_z), logistic(x_r + h @ u_r)
        new = np.tanh(x_h + (r * h) @ u_h)
    return z * h + (1 - z) * new
