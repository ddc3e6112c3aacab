"""Random recurrent layers for the kernel tests."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sulsul.kernels.cell import Cell

Array = npt.NDArray[np.float64]

CELLS = (
    Cell("simple-rnn"),
    Cell("simple-rnn", activation="relu"),
    Cell("lstm"),
    Cell("lstm", activation="relu"),
    Cell("gru", reset_after=True),
    Cell("gru", reset_after=False),
)


def cell_id(cell: Cell) -> str:
    """Name of a cell in test ids."""
    if cell.kind == "gru":
        return "gru-after" if cell.reset_after else "gru-before"
    return f"{cell.kind}-{cell.activation}"


def batch_sizes_of(lengths: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the number of sequences that reach each timestep."""
    lengths = np.asarray(lengths, dtype=np.int64)
    longest = int(lengths.max(initial=0))
    return np.array([(lengths > t).sum() for t in range(longest)], dtype=np.int64)


@dataclass
class Layer:
    """One direction of a layer with float64 weights, inputs and initial states."""

    cell: Cell
    inputs: Array
    kernel: Array
    recurrent_kernel: Array
    bias: Array
    batch_sizes: npt.NDArray[np.int64]
    h0: Array
    c0: Array


def random_layer(
    cell: Cell, units: int, lengths: tuple[int, ...], *, input_size: int = 3, seed: int = 0, scale: float = 0.7
) -> Layer:
    """Return a layer whose weights keep the state well inside the activations' range."""
    rng = np.random.default_rng(seed)
    lengths = tuple(sorted(lengths, reverse=True))
    batch_sizes = batch_sizes_of(lengths)
    columns = cell.n_gates * units
    return Layer(
        cell,
        rng.normal(size=(int(batch_sizes.sum()), input_size)),
        rng.normal(size=(input_size, columns)) * scale / np.sqrt(input_size),
        rng.normal(size=(units, columns)) * scale / np.sqrt(units),
        rng.normal(size=cell.bias_shape(units)) * 0.3,
        batch_sizes,
        rng.normal(size=(len(lengths), units)) * 0.5,
        rng.normal(size=(len(lengths), units)) * 0.5,
    )
