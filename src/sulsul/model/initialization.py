"""Initial weights as Keras draws them, from one generator.

Sources: Glorot & Bengio 2010, eq. 16 (uniform); Saxe et al. 2014, section 3 (orthogonal); Jozefowicz et al. 2015,
section 2.2 (forget bias 1); Keras 3 ``keras/src/initializers/random_initializers.py`` for the details. The numbers of
one seed are not Keras's own: its generators differ.
"""

import contextlib
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor

from sulsul.errors import SpecificationError
from sulsul.model.recurrence_inputs import DirectionParameters
from sulsul.model.specification import RecurrentLayer

EMBEDDING_LIMIT = 0.05


def uniform(shape: tuple[int, ...], limit: float, generator: Generator) -> Tensor:
    """Return a float32 tensor drawn uniformly from [-limit, limit)."""
    return torch.empty(shape).uniform_(-limit, limit, generator=generator)


def glorot_uniform(n_inputs: int, n_outputs: int, generator: Generator) -> Tensor:
    """Return a matrix (n_inputs, n_outputs) drawn uniformly within ±sqrt(6 / (n_inputs + n_outputs))."""
    return uniform((n_inputs, n_outputs), math.sqrt(6.0 / (n_inputs + n_outputs)), generator)


def orthogonal(n_rows: int, n_columns: int, generator: Generator) -> Tensor:
    """Return a random matrix (n_rows, n_columns) whose rows, or columns if fewer, are orthonormal.

    The factorisation runs on one thread: on two, one number of a (256, 1024) matrix came out different.
    """
    if torch.get_default_device().type == "meta":
        # Nothing is drawn where there is no memory; asking torch to pretend costs a second of imports.
        return torch.empty((n_rows, n_columns))
    larger, smaller = max(n_rows, n_columns), min(n_rows, n_columns)
    drawn = torch.randn((larger, smaller), generator=generator, dtype=torch.float64)
    q: Tensor
    with _one_thread():
        q, r = torch.linalg.qr(drawn)
    # Without the signs of r the distribution would not be uniform over orthogonal matrices (Mezzadri 2007).
    q = q * torch.sign(torch.diagonal(r))
    return (q if n_rows >= n_columns else q.t()).to(torch.float32).contiguous()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def direction_parameters(layer: RecurrentLayer, input_size: int, generator: Generator) -> DirectionParameters:
    """Return one direction's initial parameters: Glorot kernel, orthogonal recurrent kernel, zero bias.

    The recurrent kernel (H, G·H) is one orthogonal matrix, not one per gate. An LSTM's forget gate has bias 1.
    """
    n_columns = layer.n_gates * layer.units
    kernel = glorot_uniform(input_size, n_columns, generator)
    recurrent_kernel = orthogonal(layer.units, n_columns, generator)
    has_two_rows = layer.kind == "gru" and layer.reset_after
    bias = torch.zeros((2, n_columns) if has_two_rows else (n_columns,))
    if layer.kind == "lstm":
        bias[layer.units : 2 * layer.units] = 1.0
    return DirectionParameters(kernel, recurrent_kernel, bias)


def embedding_table(
    vocabulary_size: int, size: int, generator: Generator, vectors: npt.NDArray[np.floating] | None = None
) -> Tensor:
    """Return an embedding table (V, E): uniform within ±0.05, or the given vectors.

    A row of ``vectors`` that holds NaN stands for a token without a vector and keeps its random numbers.

    Raises
    ------
    SpecificationError
        If ``vectors`` does not have the shape (V, E).
    """
    table = uniform((vocabulary_size, size), EMBEDDING_LIMIT, generator)
    if vectors is None:
        return table
    if vectors.shape != (vocabulary_size, size):
        raise SpecificationError(
            f"model.input.vectors: the table of vectors has shape {vectors.shape}, but the vocabulary and "
            f"model.input.size make it {(vocabulary_size, size)}; set model.input.size to the vectors' size"
        )
    given = torch.from_numpy(np.array(vectors, dtype=np.float32))
    return torch.where(given.isnan().any(dim=1, keepdim=True), table, given)
