"""A recurrent layer over packed rows as a torch module."""

from typing import Literal

from torch import Generator, Tensor, nn

from sulsul.model import initialization
from sulsul.model.packed_batch import PackedBatch
from sulsul.model.recurrence import Backend, resolve_backend, run_layer
from sulsul.model.recurrence_inputs import DirectionParameters, TokenInput
from sulsul.model.specification import RecurrentLayer


class Direction(nn.Module):
    """Parameters of one direction, in Keras's layout and gate order.

    Attributes
    ----------
    kernel : Parameter, shape (I, G·H)
    recurrent_kernel : Parameter, shape (H, G·H)
    bias : Parameter, shape (G·H,), or (2, G·H) for a GRU with ``reset_after``
    """

    def __init__(self, layer: RecurrentLayer, input_size: int, generator: Generator) -> None:
        super().__init__()
        drawn = initialization.direction_parameters(layer, input_size, generator)
        self.kernel = nn.Parameter(drawn.kernel)
        self.recurrent_kernel = nn.Parameter(drawn.recurrent_kernel)
        self.bias = nn.Parameter(drawn.bias)

    def tensors(self) -> DirectionParameters:
        """Return the parameters as a backend takes them."""
        return DirectionParameters(self.kernel, self.recurrent_kernel, self.bias)


class Recurrent(nn.Module):
    """SimpleRNN, GRU or LSTM in one or both directions.

    Parameters
    ----------
    layer
        Cell, units, activation and directions.
    input_size
        Features per timestep; the vocabulary size under a one-hot input.
    generator
        Source of the initial weights.
    backend
        ``native``, ``torch``, or ``auto``.

    Raises
    ------
    KernelError
        If ``native`` is asked for and cannot run the layer.
    """

    def __init__(
        self, layer: RecurrentLayer, input_size: int, generator: Generator, *, backend: Backend = "auto"
    ) -> None:
        super().__init__()
        self.layer = layer
        self.backend = backend
        self.forward_direction = Direction(layer, input_size, generator)
        if layer.bidirectional:
            self.backward_direction = Direction(layer, input_size, generator)
        self.resolved_backend()

    def directions(self) -> list[DirectionParameters]:
        """Return the parameters of the forward and, if there is one, the backward direction."""
        forward = self.forward_direction.tensors()
        return [forward, self.backward_direction.tensors()] if self.layer.bidirectional else [forward]

    def resolved_backend(self) -> Literal["native", "torch"]:
        """Return the backend that runs this layer where its parameters are."""
        weight = self.forward_direction.recurrent_kernel
        return resolve_backend(self.backend, self.layer, device=weight.device, dtype=weight.dtype)

    def forward(self, inputs: Tensor | TokenInput, batch: PackedBatch) -> Tensor:
        """Return the hidden states (N, D·H) of the packed inputs (N, I) or token ids."""
        return run_layer(self.layer, inputs, batch, self.directions(), backend=self.backend)
