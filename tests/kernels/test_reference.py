"""The reference against hand-worked cases, finite differences and torch.nn."""

import math

import numpy as np
import pytest
import torch
from tests.kernels.layers import CELLS, Layer, cell_id, random_layer
from tests.tolerances import FINITE_DIFFERENCE, FINITE_DIFFERENCE_STEP, FLOAT64_REORDERED

from sulsul.kernels.cell import Cell
from sulsul.kernels.reference import layer_backward, layer_forward, logistic, sequence_rows

INPUTS = ("inputs", "kernel", "recurrent_kernel", "bias", "h0", "c0")


def run(layer: Layer, *, reverse: bool = False):
    return layer_forward(
        layer.cell,
        layer.inputs,
        layer.kernel,
        layer.recurrent_kernel,
        layer.bias,
        layer.batch_sizes,
        layer.h0,
        layer.c0,
        reverse=reverse,
    )


def sigma(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def one_unit(cell: Cell, kernel, recurrent_kernel, bias, x=(0.5, -1.0), h0=0.2, c0=-0.4) -> Layer:
    return Layer(
        cell,
        np.array(x)[:, None],
        np.array([kernel]),
        np.array([recurrent_kernel]),
        np.array(bias),
        np.array([1] * len(x)),
        np.array([[h0]]),
        np.array([[c0]]),
    )


def test_simple_rnn_by_hand():
    result = run(one_unit(Cell("simple-rnn"), [2.0], [3.0], [0.1]))
    h1 = math.tanh(0.5 * 2 + 0.1 + 0.2 * 3)
    h2 = math.tanh(-1.0 * 2 + 0.1 + h1 * 3)
    np.testing.assert_allclose(result.hidden[:, 0], [h1, h2], rtol=1e-15)
    assert result.h_n[0, 0] == result.hidden[1, 0]


def test_lstm_by_hand():
    layer = one_unit(Cell("lstm"), [1.0, 2.0, 3.0, 4.0], [-1.0, 0.5, 0.25, 2.0], [0.1, 1.0, -0.2, 0.3])
    result = run(layer)
    h, c = 0.2, -0.4
    for x in (0.5, -1.0):
        i = sigma(x * 1 + 0.1 - h)
        f = sigma(x * 2 + 1.0 + 0.5 * h)
        g = math.tanh(x * 3 - 0.2 + 0.25 * h)
        o = sigma(x * 4 + 0.3 + 2 * h)
        c = f * c + i * g
        h = o * math.tanh(c)
    np.testing.assert_allclose([result.h_n[0, 0], result.c_n[0, 0]], [h, c], rtol=1e-14)


@pytest.mark.parametrize("reset_after", [True, False])
def test_gru_by_hand(reset_after):
    bias = [[0.1, -0.2, 0.3], [0.4, 0.5, -0.6]]
    layer = one_unit(
        Cell("gru", reset_after=reset_after), [1.0, 2.0, 3.0], [0.5, -1.0, 1.5], bias if reset_after else bias[0]
    )
    result = run(layer)
    h = 0.2
    b = bias[1] if reset_after else [0.0, 0.0, 0.0]
    for x in (0.5, -1.0):
        z = sigma(x * 1 + 0.1 + 0.5 * h + b[0])
        r = sigma(x * 2 - 0.2 - 1.0 * h + b[1])
        n = math.tanh(x * 3 + 0.3 + (r * (1.5 * h + b[2]) if reset_after else 1.5 * r * h))
        h = z * h + (1 - z) * n
    np.testing.assert_allclose(result.h_n[0, 0], h, rtol=1e-14)


def test_relu_lstm_activates_candidate_and_output():
    layer = one_unit(Cell("lstm", activation="relu"), [0.0] * 4, [0.0] * 4, [0.0, 0.0, 3.0, 0.0], x=(0.0,), c0=1.0)
    result = run(layer)
    assert result.c_n[0, 0] == 0.5 * 1.0 + 0.5 * 3.0
    assert result.h_n[0, 0] == 0.5 * 2.0


def test_logistic_does_not_overflow():
    assert logistic(np.array([-1000.0, 0.0, 1000.0])).tolist() == [0.0, 0.5, 1.0]


def test_reverse_is_forward_on_reversed_sequences():
    lengths = (4, 2, 1, 0)
    layer = random_layer(Cell("lstm"), 3, lengths)
    reversed_inputs = layer.inputs.copy()
    for b in range(len(lengths)):
        rows = sequence_rows(layer.batch_sizes, b)
        reversed_inputs[rows] = layer.inputs[rows[::-1]]
    result = run(layer, reverse=True)
    layer.inputs = reversed_inputs
    mirrored = run(layer)
    assert result.h_n.tobytes() == mirrored.h_n.tobytes()
    for b in range(len(lengths)):
        rows = sequence_rows(layer.batch_sizes, b)
        assert result.hidden[rows].tobytes() == mirrored.hidden[rows[::-1]].tobytes()


def test_empty_sequences_keep_their_initial_state():
    layer = random_layer(Cell("lstm"), 2, (3, 0, 0))
    result = run(layer)
    np.testing.assert_array_equal(result.h_n[1:], layer.h0[1:])
    np.testing.assert_array_equal(result.c_n[1:], layer.c0[1:])


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("cell", CELLS, ids=cell_id)
def test_gradients_match_finite_differences(cell, reverse):
    layer = random_layer(cell, 3, (4, 2, 2, 0), input_size=2, seed=3)
    rng = np.random.default_rng(9)
    forward = run(layer, reverse=reverse)
    weights = [rng.normal(size=a.shape) for a in (forward.hidden, forward.h_n, forward.c_n)]

    def loss() -> float:
        result = run(layer, reverse=reverse)
        return sum(float((w * a).sum()) for w, a in zip(weights, (result.hidden, result.h_n, result.c_n), strict=True))

    gradients = layer_backward(cell, forward, layer.inputs, layer.kernel, layer.recurrent_kernel, layer.bias, *weights)
    for name in INPUTS:
        array = getattr(layer, name)
        numeric = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + FINITE_DIFFERENCE_STEP
            above = loss()
            array[index] = kept - FINITE_DIFFERENCE_STEP
            below = loss()
            array[index] = kept
            numeric[index] = (above - below) / (2 * FINITE_DIFFERENCE_STEP)
        np.testing.assert_allclose(getattr(gradients, name), numeric, atol=FINITE_DIFFERENCE, err_msg=name)


def torch_order(cell: Cell, weights: np.ndarray, units: int) -> np.ndarray:
    """Keras's columns as torch's rows: i f c o stays; z r h becomes r z n."""
    gates = np.split(weights, cell.n_gates, axis=-1)
    if cell.kind == "gru":
        gates = [gates[1], gates[0], gates[2]]
    return np.concatenate(gates, axis=-1).T


@pytest.mark.parametrize("cell", [c for c in CELLS if c.reset_after and cell_id(c) != "lstm-relu"], ids=cell_id)
def test_agrees_with_torch(cell):
    units, lengths = 5, (6, 6, 3, 1)
    layer = random_layer(cell, units, lengths, seed=11)
    options = {"nonlinearity": cell.activation} if cell.kind == "simple-rnn" else {}
    module = {"simple-rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell.kind](
        3, units, **options
    ).double()
    input_bias, recurrent_bias = layer.bias if layer.bias.ndim == 2 else (layer.bias, np.zeros_like(layer.bias))
    values = {
        "weight_ih_l0": layer.kernel,
        "weight_hh_l0": layer.recurrent_kernel,
        "bias_ih_l0": input_bias,
        "bias_hh_l0": recurrent_bias,
    }
    module.load_state_dict({k: torch.tensor(torch_order(cell, v, units)) for k, v in values.items()})
    x = torch.tensor(layer.inputs, requires_grad=True)
    packed = torch.nn.utils.rnn.PackedSequence(x, torch.tensor(layer.batch_sizes))
    state = torch.tensor(layer.h0)[None]
    output, final = module(packed, (state, torch.tensor(layer.c0)[None]) if cell.has_cell_state else state)
    d_hidden = np.random.default_rng(1).normal(size=(len(x), units))
    output.data.backward(torch.tensor(d_hidden))

    forward = run(layer)
    zeros = np.zeros((len(lengths), units))
    gradients = layer_backward(
        cell, forward, layer.inputs, layer.kernel, layer.recurrent_kernel, layer.bias, d_hidden, zeros, zeros
    )
    h_n = final[0] if cell.has_cell_state else final
    pairs = [
        (forward.hidden, output.data),
        (forward.h_n, h_n[0]),
        (gradients.inputs, x.grad),
        (torch_order(cell, gradients.kernel, units), module.weight_ih_l0.grad),
        (torch_order(cell, gradients.recurrent_kernel, units), module.weight_hh_l0.grad),
    ]
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs.detach().numpy(), atol=FLOAT64_REORDERED)
