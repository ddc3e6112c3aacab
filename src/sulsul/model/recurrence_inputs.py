"""What a recurrent layer reads: its inputs and the parameters of one direction."""

from typing import NamedTuple

from torch import Tensor


class TokenInput(NamedTuple):
    """Token ids that stand for rows of a table, so that a backend may look up E·W instead of multiplying.

    Attributes
    ----------
    token_ids : Tensor, shape (N,), int64
        Packed time-major token ids.
    table : Tensor, shape (V, I), or None
        Embedding table; ``None`` for a one-hot input, whose rows select rows of the layer's kernel (V, G·H).
    """

    token_ids: Tensor
    table: Tensor | None


class DirectionParameters(NamedTuple):
    """Parameters of one direction in Keras's layout and gate order.

    Attributes
    ----------
    kernel : Tensor, shape (I, G·H)
        Input weights; (V, G·H) under a one-hot input.
    recurrent_kernel : Tensor, shape (H, G·H)
        Weights of the previous hidden state.
    bias : Tensor, shape (G·H,), or (2, G·H) for a GRU with ``reset_after``
        Row 0 belongs to the input, row 1 to the hidden state. Gates: LSTM input, forget, cell, output; GRU update,
        reset, new.
    """

    kernel: Tensor
    recurrent_kernel: Tensor
    bias: Tensor
