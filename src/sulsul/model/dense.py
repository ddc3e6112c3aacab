"""A fully connected layer in Keras's layout."""

import torch
from torch import Generator, Tensor, nn

from sulsul.model import initialization
from sulsul.model.specification import DenseLayer


class Dense(nn.Module):
    """φ(x·kernel + bias).

    Attributes
    ----------
    kernel : Parameter, shape (I, O)
    bias : Parameter, shape (O,)
    """

    def __init__(self, layer: DenseLayer, input_size: int, generator: Generator) -> None:
        super().__init__()
        self.layer = layer
        self.kernel = nn.Parameter(initialization.glorot_uniform(input_size, layer.units, generator))
        self.bias = nn.Parameter(torch.zeros(layer.units))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (B, O) for inputs (B, I)."""
        outputs = torch.addmm(self.bias, inputs, self.kernel)
        match self.layer.activation:
            case "relu":
                return torch.relu(outputs)
            case "tanh":
                return torch.tanh(outputs)
            case "linear":
                return outputs
