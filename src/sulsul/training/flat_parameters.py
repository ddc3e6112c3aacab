"""All parameters of a network in one piece of memory."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter


class FlatArray:
    """One flat tensor with a view for each parameter; the gaps between them hold zeros.

    Parameters
    ----------
    parameters
        Names and parameters, of one dtype, on the CPU.
    block
        Every view begins at a multiple of this many elements, and so does the end.
    n_spare
        Further elements behind the end, of :attr:`memory` alone.

    Attributes
    ----------
    memory : Tensor, shape (n + n_spare,)
    flat : Tensor, shape (n,)
        The beginning of ``memory``.
    views : dict of str to Tensor
        By name, each of its parameter's shape.
    """

    def __init__(self, parameters: Sequence[tuple[str, Tensor]], block: int, *, n_spare: int = 0) -> None:
        sizes = [-(-parameter.numel() // block) * block for _, parameter in parameters]
        dtype = parameters[0][1].dtype if parameters else torch.float32
        self.memory = torch.zeros(sum(sizes) + n_spare, dtype=dtype)
        self.flat = self.memory[: sum(sizes)]
        pieces = torch.split(self.flat, sizes)
        self.views = {
            name: piece[: parameter.numel()].view(parameter.shape)
            for (name, parameter), piece in zip(parameters, pieces, strict=True)
        }


def flatten_parameters(parameters: Sequence[tuple[str, Parameter]], block: int) -> FlatArray:
    """Move the parameters' values into one flat tensor, of which they are views from then on."""
    values = FlatArray(parameters, block)
    for name, parameter in parameters:
        values.views[name].copy_(parameter.detach())
        parameter.data = values.views[name]
    return values
