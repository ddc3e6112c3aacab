"""Limiting the global norm of the gradients."""

from collections.abc import Iterable

import torch
from torch import Tensor

# torch splits one long reduction over its threads, so that its rounding depends on their number; the sum of each row of
# a matrix is computed by a single thread.
_ROW = 4096


def global_norm(tensors: Iterable[Tensor]) -> Tensor:
    """Return the Euclidean norm of all values together, shape (), float64, the same for any number of threads."""
    sums = [_sums_of_squares(tensor.reshape(-1)) for tensor in tensors]
    return torch.cat(sums).double().cumsum(0)[-1].sqrt() if sums else torch.zeros((), dtype=torch.float64)


def clip_gradients(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients by one factor so that their global norm is at most ``max_norm`` (Pascanu et al., 2013).

    Returns
    -------
    float
        The norm before clipping. A norm that is not finite scales nothing: the loss of the next batch tells.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = float(global_norm(gradients))
    if max_norm < norm < float("inf"):
        torch._foreach_mul_(gradients, max_norm / norm)
    return norm


def _sums_of_squares(flat: Tensor) -> Tensor:
    n_whole = flat.shape[0] // _ROW * _ROW
    whole, rest = flat[:n_whole].view(-1, _ROW), flat[n_whole:]
    return torch.cat([torch.linalg.vector_norm(whole, dim=1).square(), torch.dot(rest, rest).reshape(1)])
