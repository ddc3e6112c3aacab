"""Conversion of recurrent weights between the layouts and gate orders of Keras, PyTorch and ONNX.

Everything else in this package uses Keras's: ``kernel`` (I, G·H), ``recurrent_kernel`` (H, G·H), and

========== ============= ============= =============
cell       Keras         PyTorch       ONNX
========== ============= ============= =============
LSTM       i, f, c, o    i, f, c, o    i, o, f, c
GRU        z, r, n       r, z, n       z, r, n
bias       one, or two   two           two, in one
           rows for GRU                vector
weights    (in, out)     (out, in)     (out, in)
========== ============= ============= =============

with i input, f forget, c cell (PyTorch: g), o output, z update, r reset, n new (Keras, ONNX: h). In all three a GRU's
update gate keeps the old state: h' = z·h + (1 - z)·n. PyTorch knows only the GRU whose reset gate is applied after the
recurrent product (Keras ``reset_after``, ONNX ``linear_before_reset``).

Sources: Keras 3 ``keras/src/layers/rnn``; PyTorch ``torch.nn.LSTM`` and ``torch.nn.GRU``; ONNX operators LSTM-22 and
GRU-22.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from sulsul.model.recurrence_inputs import DirectionParameters

Cell = Literal["simple-rnn", "gru", "lstm"]
Framework = Literal["keras", "torch", "onnx"]

GATE_ORDERS: dict[tuple[Framework, Cell], str] = {
    ("keras", "simple-rnn"): "h",
    ("torch", "simple-rnn"): "h",
    ("onnx", "simple-rnn"): "h",
    ("keras", "lstm"): "ifco",
    ("torch", "lstm"): "ifco",
    ("onnx", "lstm"): "iofc",
    ("keras", "gru"): "zrn",
    ("torch", "gru"): "rzn",
    ("onnx", "gru"): "zrn",
}


class TorchWeights(NamedTuple):
    """Weights of one direction as ``torch.nn.RNN``, ``LSTM`` and ``GRU`` hold them.

    ``weight_ih`` (G·H, I), ``weight_hh`` (G·H, H), ``bias_ih`` and ``bias_hh`` (G·H,).
    """

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor
    bias_hh: Tensor


class OnnxWeights(NamedTuple):
    """Weights of a layer as the ONNX operators RNN, LSTM and GRU take them.

    ``W`` (D, G·H, I), ``R`` (D, G·H, H), ``B`` (D, 2·G·H): input biases, then recurrent biases. The directions are
    forward, backward. ``linear_before_reset`` is the GRU attribute, 0 for other cells.
    """

    W: Tensor
    R: Tensor
    B: Tensor
    linear_before_reset: int


def reorder_gates(weights: Tensor, cell: Cell, source: Framework, target: Framework) -> Tensor:
    """Return ``weights`` (…, G·H) with the gates along the last axis moved from one framework's order to another's."""
    source_order, target_order = GATE_ORDERS[source, cell], GATE_ORDERS[target, cell]
    if source_order == target_order:
        return weights
    gates = weights.chunk(len(source_order), dim=-1)
    return torch.cat([gates[source_order.index(gate)] for gate in target_order], dim=-1)


def to_torch(cell: Cell, parameters: DirectionParameters) -> TorchWeights:
    """Return Keras-ordered parameters as PyTorch's weights, differentiably.

    A GRU's bias must have two rows, since PyTorch has no GRU without ``reset_after``.
    """
    kernel, recurrent_kernel, bias = (reorder_gates(weights, cell, "keras", "torch") for weights in parameters)
    bias_ih, bias_hh = (bias[0], bias[1]) if bias.ndim == 2 else (bias, torch.zeros_like(bias))
    return TorchWeights(kernel.t(), recurrent_kernel.t(), bias_ih, bias_hh)


def from_torch(cell: Cell, weights: TorchWeights) -> DirectionParameters:
    """Return PyTorch's weights as Keras-ordered parameters; the two biases are added unless the cell is a GRU."""
    kernel, recurrent_kernel, bias_ih, bias_hh = (
        reorder_gates(tensor, cell, "torch", "keras")
        for tensor in (weights.weight_ih.t(), weights.weight_hh.t(), weights.bias_ih, weights.bias_hh)
    )
    bias = torch.stack([bias_ih, bias_hh]) if cell == "gru" else bias_ih + bias_hh
    return DirectionParameters(kernel.contiguous(), recurrent_kernel.contiguous(), bias)


def to_onnx(cell: Cell, directions: list[DirectionParameters]) -> OnnxWeights:
    """Return the Keras-ordered parameters of one or two directions as ONNX's stacked weights."""
    ordered = [
        DirectionParameters(*(reorder_gates(weights, cell, "keras", "onnx") for weights in direction))
        for direction in directions
    ]
    reset_after = cell == "gru" and directions[0].bias.ndim == 2
    return OnnxWeights(
        W=torch.stack([direction.kernel.t() for direction in ordered]),
        R=torch.stack([direction.recurrent_kernel.t() for direction in ordered]),
        B=torch.stack([_onnx_bias(direction.bias) for direction in ordered]),
        linear_before_reset=int(reset_after),
    )


def from_onnx(cell: Cell, weights: OnnxWeights) -> list[DirectionParameters]:
    """Return ONNX's stacked weights as the Keras-ordered parameters of each direction."""
    two_rows = cell == "gru" and weights.linear_before_reset == 1
    directions = []
    for W, R, B in zip(weights.W, weights.R, weights.B, strict=True):
        both = reorder_gates(B.reshape(2, -1), cell, "onnx", "keras")
        directions.append(
            DirectionParameters(
                reorder_gates(W.t(), cell, "onnx", "keras").contiguous(),
                reorder_gates(R.t(), cell, "onnx", "keras").contiguous(),
                both if two_rows else both.sum(0),
            )
        )
    return directions


def _onnx_bias(bias: Tensor) -> Tensor:
    return bias.reshape(-1) if bias.ndim == 2 else torch.cat([bias, torch.zeros_like(bias)])
