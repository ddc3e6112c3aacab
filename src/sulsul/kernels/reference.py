"""The recurrent layer in float64 NumPy, loops written out: what the native kernels must compute.

A batch is packed and time-major: sequences are sorted by descending length, the rows of timestep 0 of every sequence
come first, then the rows of timestep 1 of those that have one, and so on. ``batch_sizes[t]`` sequences have a
timestep ``t``; sequence ``b`` owns row ``offset[t] + b`` with ``offset = cumsum(batch_sizes) - batch_sizes``. Sequences
of length 0 come last and own no row.

Every function below takes one direction of one layer. With ``x_t`` the input and ``h`` the previous hidden state,
and with the kernels split into gates along their columns:

Simple RNN (Elman, 1990, "Finding structure in time")::

    h' = act(x_t W + b + h U)

LSTM (Hochreiter & Schmidhuber, 1997; forget gate: Gers, Schmidhuber & Cummins, 2000), gates i, f, c, o::

    i, f, o = logistic(x_t W + b + h U)      g = act(x_t W_c + b_c + h U_c)
    c' = f * c + i * g                       h' = o * act(c')

GRU (Cho et al., 2014), gates z, r, h, with ``reset_after`` as in cuDNN and Keras's default::

    z, r = logistic(x_t W + b + h U + b')
    n = tanh(x_t W_h + b_h + r * (h U_h + b'_h))    reset_after
    n = tanh(x_t W_h + b_h + (r * h) U_h)           otherwise; one bias only
    h' = z * h + (1 - z) * n

Layout and gate order are Keras's (``keras.layers.LSTM``, ``GRU``, ``SimpleRNN``; note that Keras's z keeps the old
state).
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sulsul.kernels.cell import Activation, Cell

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass
class Step:
    """What one timestep of one sequence leaves for its backward."""

    row: int
    hidden_previous: Array
    hidden: Array
    cell_previous: Array
    cell: Array
    gates: Array
    candidate: Array  # GRU: h U_h + b'_h (reset_after) or r * h; unused elsewhere


@dataclass
class Forward:
    """Result of :func:`layer_forward`.

    Attributes
    ----------
    hidden
        Hidden state of every row, (N, H).
    h_n, c_n
        State of every sequence after its last step, (B, H); the initial state where the length is 0. ``c_n`` is zeros
        for cells without a cell state.
    steps
        One list per sequence, in the order the steps ran; for :func:`layer_backward`.
    """

    hidden: Array
    h_n: Array
    c_n: Array
    steps: list[list[Step]] = field(repr=False)


@dataclass
class Gradients:
    """Result of :func:`layer_backward`: the gradient of every input of :func:`layer_forward`, in its shape."""

    inputs: Array
    kernel: Array
    recurrent_kernel: Array
    bias: Array
    h0: Array
    c0: Array


def logistic(x: Array) -> Array:
    """Return ``1 / (1 + exp(-x))`` without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1.0 + e)


def activate(x: Array, activation: Activation) -> Array:
    """Return ``tanh(x)`` or ``max(x, 0)``."""
    return np.tanh(x) if activation == "tanh" else np.maximum(x, 0.0)


def activation_slope(y: Array, activation: Activation) -> Array:
    """Return the derivative of :func:`activate` in terms of its result ``y``; 0 at the kink of relu."""
    return 1.0 - y * y if activation == "tanh" else (y > 0).astype(np.float64)


def sequence_rows(batch_sizes: IntArray, sequence: int) -> IntArray:
    """Return the packed row of each timestep of one sequence.

    Examples
    --------
    >>> sequence_rows(np.array([3, 2, 2]), 1).tolist()
    [1, 4, 6]
    >>> sequence_rows(np.array([3, 2, 2]), 3).tolist()
    []
    """
    offsets = np.cumsum(batch_sizes) - batch_sizes
    return (offsets[batch_sizes > sequence] + sequence).astype(np.int64)


def layer_forward(
    cell: Cell,
    inputs: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    batch_sizes: IntArray,
    h0: Array,
    c0: Array,
    *,
    reverse: bool = False,
) -> Forward:
    """Run one direction of a recurrent layer.

    Parameters
    ----------
    inputs
        Packed rows, (N, I).
    kernel, recurrent_kernel, bias
        Keras's weights, (I, G·H), (H, G·H) and :meth:`Cell.bias_shape`.
    batch_sizes
        Number of sequences that reach each timestep, (T,), not increasing.
    h0, c0
        Initial states, (B, H); ``c0`` matters to the LSTM only.
    reverse
        Run each sequence from its own end to its beginning.
    """
    n_sequences, units = h0.shape
    result = Forward(np.zeros((len(inputs), units)), h0.copy(), c0.copy(), [])
    for b in range(n_sequences):
        rows = sequence_rows(batch_sizes, b)
        steps: list[Step] = []
        h, c = h0[b], c0[b]
        for row in rows[::-1] if reverse else rows:
            step = _STEP[cell.kind](cell, inputs[row], kernel, recurrent_kernel, bias, h, c)
            step.row = int(row)
            steps.append(step)
            h, c = step.hidden, step.cell
            result.hidden[row] = h
        result.h_n[b], result.c_n[b] = h, c
        result.steps.append(steps)
    return result


def layer_backward(
    cell: Cell,
    forward: Forward,
    inputs: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    d_hidden: Array,
    d_h_n: Array,
    d_c_n: Array,
) -> Gradients:
    """Return the gradient of a loss by back-propagation through time.

    Parameters
    ----------
    forward
        Result of :func:`layer_forward` for the same arguments.
    d_hidden, d_h_n, d_c_n
        Gradient of the loss with respect to ``forward.hidden``, ``h_n`` and ``c_n``.
    """
    gradients = Gradients(
        np.zeros_like(inputs),
        np.zeros_like(kernel),
        np.zeros_like(recurrent_kernel),
        np.zeros_like(bias),
        np.zeros_like(d_h_n),
        np.zeros_like(d_c_n),
    )
    for b, steps in enumerate(forward.steps):
        dh, dc = d_h_n[b].copy(), d_c_n[b].copy()
        for step in reversed(steps):
            dh = dh + d_hidden[step.row]
            dx, dh, dc = _STEP_BACKWARD[cell.kind](
                cell, step, inputs[step.row], kernel, recurrent_kernel, dh, dc, gradients
            )
            gradients.inputs[step.row] = dx
        gradients.h0[b], gradients.c0[b] = dh, dc
    return gradients


def _rnn_step(cell: Cell, x: Array, W: Array, U: Array, bias: Array, h: Array, c: Array) -> Step:
    hidden = activate(x @ W + bias + h @ U, cell.activation)
    return Step(-1, h, hidden, c, c, hidden, hidden)


def _lstm_step(cell: Cell, x: Array, W: Array, U: Array, bias: Array, h: Array, c: Array) -> Step:
    pre_i, pre_f, pre_g, pre_o = np.split(x @ W + bias + h @ U, 4)
    i, f, o = logistic(pre_i), logistic(pre_f), logistic(pre_o)
    g = activate(pre_g, cell.activation)
    c_new = f * c + i * g
    hidden = o * activate(c_new, cell.activation)
    return Step(-1, h, hidden, c, c_new, np.concatenate([i, f, g, o]), hidden)


def _gru_step(cell: Cell, x: Array, W: Array, U: Array, bias: Array, h: Array, c: Array) -> Step:
    U_z, U_r, U_h = np.split(U, 3, axis=1)
    input_bias, recurrent_bias = bias if cell.reset_after else (bias, np.zeros_like(bias))
    x_z, x_r, x_h = np.split(x @ W + input_bias, 3)
    b_z, b_r, b_h = np.split(recurrent_bias, 3)
    z = logistic(x_z + h @ U_z + b_z)
    r = logistic(x_r + h @ U_r + b_r)
    if cell.reset_after:
        candidate = h @ U_h + b_h
        n = np.tanh(x_h + r * candidate)
    else:
        candidate = r * h
        n = np.tanh(x_h + candidate @ U_h)
    return Step(-1, h, z * h + (1 - z) * n, c, c, np.concatenate([z, r, n]), candidate)


def _rnn_step_backward(
    cell: Cell, step: Step, x: Array, W: Array, U: Array, dh: Array, dc: Array, gradients: Gradients
) -> tuple[Array, Array, Array]:
    d_pre = dh * activation_slope(step.hidden, cell.activation)
    gradients.kernel += np.outer(x, d_pre)
    gradients.recurrent_kernel += np.outer(step.hidden_previous, d_pre)
    gradients.bias += d_pre
    return W @ d_pre, U @ d_pre, dc


def _lstm_step_backward(
    cell: Cell, step: Step, x: Array, W: Array, U: Array, dh: Array, dc: Array, gradients: Gradients
) -> tuple[Array, Array, Array]:
    i, f, g, o = np.split(step.gates, 4)
    squashed = activate(step.cell, cell.activation)
    dc = dc + dh * o * activation_slope(squashed, cell.activation)
    d_pre = np.concatenate(
        [
            dc * g * i * (1 - i),
            dc * step.cell_previous * f * (1 - f),
            dc * i * activation_slope(g, cell.activation),
            dh * squashed * o * (1 - o),
        ]
    )
    gradients.kernel += np.outer(x, d_pre)
    gradients.recurrent_kernel += np.outer(step.hidden_previous, d_pre)
    gradients.bias += d_pre
    return W @ d_pre, U @ d_pre, dc * f


def _gru_step_backward(
    cell: Cell, step: Step, x: Array, W: Array, U: Array, dh: Array, dc: Array, gradients: Gradients
) -> tuple[Array, Array, Array]:
    h = step.hidden_previous
    z, r, n = np.split(step.gates, 3)
    U_z, U_r, U_h = np.split(U, 3, axis=1)
    d_z = dh * (h - n) * z * (1 - z)
    d_n = dh * (1 - z) * (1 - n * n)
    dh_previous = dh * z
    if cell.reset_after:
        d_candidate = d_n * r
        d_r = d_n * step.candidate * r * (1 - r)
        dh_previous = dh_previous + U_h @ d_candidate
        dU_h = np.outer(h, d_candidate)
    else:
        d_reset_state = U_h @ d_n
        d_candidate = d_n
        d_r = d_reset_state * h * r * (1 - r)
        dh_previous = dh_previous + d_reset_state * r
        dU_h = np.outer(step.candidate, d_n)
    d_pre = np.concatenate([d_z, d_r, d_n])
    gradients.kernel += np.outer(x, d_pre)
    gradients.recurrent_kernel += np.concatenate([np.outer(h, d_z), np.outer(h, d_r), dU_h], axis=1)
    if cell.reset_after:
        gradients.bias += np.stack([d_pre, np.concatenate([d_z, d_r, d_candidate])])
    else:
        gradients.bias += d_pre
    return W @ d_pre, dh_previous + U_z @ d_z + U_r @ d_r, dc


_STEP = {"simple-rnn": _rnn_step, "gru": _gru_step, "lstm": _lstm_step}
_STEP_BACKWARD = {"simple-rnn": _rnn_step_backward, "gru": _gru_step_backward, "lstm": _lstm_step_backward}
