"""Random layers in one or two directions, run by the kernels and by the reference."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from tests.kernels.layers import Layer, batch_sizes_of, random_layer

from sulsul.kernels import native, reference
from sulsul.kernels.cell import Cell

Named = dict[str, npt.NDArray[np.floating]]


@dataclass
class Problem:
    """A layer, its inputs and the gradients of its outputs, in float64."""

    cell: Cell
    layers: list[Layer]
    rows: npt.NDArray[np.float64]
    token_ids: npt.NDArray[np.int64] | None
    embedding: npt.NDArray[np.float64] | None
    d_hidden: npt.NDArray[np.float64]
    d_final: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] = field(default_factory=list)

    @property
    def batch_sizes(self) -> npt.NDArray[np.int64]:
        return self.layers[0].batch_sizes

    @property
    def n_sequences(self) -> int:
        return len(self.layers[0].h0)


def random_problem(
    cell: Cell,
    units: int,
    lengths: tuple[int, ...],
    *,
    directions: int = 2,
    input_size: int = 3,
    kind: str = "dense",
    vocabulary: int = 5,
    seed: int = 0,
) -> Problem:
    """``kind``: dense, embedding or one-hot."""
    rng = np.random.default_rng(seed)
    size = vocabulary if kind == "one-hot" else input_size
    layers = [random_layer(cell, units, lengths, input_size=size, seed=seed + 10 * d) for d in range(directions)]
    n_rows = int(batch_sizes_of(lengths).sum())
    token_ids = None if kind == "dense" else rng.integers(0, vocabulary, size=n_rows)
    embedding = rng.normal(size=(vocabulary, size)) if kind == "embedding" else None
    rows = layers[0].inputs
    if token_ids is not None:
        rows = (np.eye(vocabulary) if embedding is None else embedding)[token_ids]
    shape = (len(lengths), units)
    d_final = [
        (rng.normal(size=shape), rng.normal(size=shape) if cell.has_cell_state else np.zeros(shape)) for _ in layers
    ]
    return Problem(cell, layers, rows, token_ids, embedding, rng.normal(size=(n_rows, directions * units)), d_final)


def run_native(
    problem: Problem, dtype: npt.DTypeLike, *, backward: bool = True, precision: native.Precision = "float32"
) -> Named:
    """Every output and gradient by name."""

    def cast(array):
        return None if array is None else np.ascontiguousarray(array, dtype=dtype)

    cell = problem.cell
    inputs = cast(problem.rows)
    if problem.token_ids is not None:
        inputs = native.Tokens(problem.token_ids, cast(problem.embedding))
    weights = [native.Weights(cast(p.kernel), cast(p.recurrent_kernel), cast(p.bias)) for p in problem.layers]
    initial = [native.State(cast(p.h0), cast(p.c0) if cell.has_cell_state else None) for p in problem.layers]
    shared = (inputs, problem.batch_sizes, problem.n_sequences, weights)
    forward = native.layer_forward(cell, *shared, initial=initial, training=backward, precision=precision)
    result = {"hidden": forward.hidden}
    for d, state in enumerate(forward.final):
        result |= {f"h_n {d}": state.h, f"c_n {d}": state.c}
    if backward:
        d_final = [native.State(cast(h), cast(c) if cell.has_cell_state else None) for h, c in problem.d_final]
        gradients = native.layer_backward(
            cell,
            forward,
            *shared,
            cast(problem.d_hidden),
            d_final,
            initial=initial,
            initial_gradient=True,
            precision=precision,
        )
        result["inputs"] = gradients.inputs
        for d, g in enumerate(gradients.directions):
            result |= {f"kernel {d}": g.kernel, f"recurrent_kernel {d}": g.recurrent_kernel, f"bias {d}": g.bias}
            result |= {f"h0 {d}": g.h0, f"c0 {d}": g.c0}
    return {name: value for name, value in result.items() if value is not None}


def run_reference(problem: Problem) -> Named:
    """Return the same names from the float64 reference."""
    cell, units = problem.cell, problem.layers[0].h0.shape[1]
    hidden, d_rows, result = [], np.zeros_like(problem.rows), {}
    for d, p in enumerate(problem.layers):
        weights = (p.kernel, p.recurrent_kernel, p.bias)
        forward = reference.layer_forward(cell, problem.rows, *weights, p.batch_sizes, p.h0, p.c0, reverse=d == 1)
        columns = slice(d * units, (d + 1) * units)
        g = reference.layer_backward(
            cell, forward, problem.rows, *weights, problem.d_hidden[:, columns], *problem.d_final[d]
        )
        hidden.append(forward.hidden)
        d_rows += g.inputs
        result |= {f"h_n {d}": forward.h_n, f"kernel {d}": g.kernel, f"recurrent_kernel {d}": g.recurrent_kernel}
        result |= {f"bias {d}": g.bias, f"h0 {d}": g.h0}
        if cell.has_cell_state:
            result |= {f"c_n {d}": forward.c_n, f"c0 {d}": g.c0}
    result["hidden"] = np.concatenate(hidden, axis=1)
    if problem.token_ids is None:
        result["inputs"] = d_rows
    elif problem.embedding is not None:
        result["inputs"] = np.zeros_like(problem.embedding)
        np.add.at(result["inputs"], problem.token_ids, d_rows)
    return result


@lru_cache(maxsize=256)
def cached_reference(cell: Cell, units: int, lengths: tuple[int, ...], kind: str, vocabulary: int):
    """Return a problem and its reference results, computed once for all dtypes and instruction sets."""
    problem = random_problem(cell, units, lengths, kind=kind, vocabulary=vocabulary)
    return problem, run_reference(problem)


def worst_errors(result: Named, expected: Named) -> dict[str, float]:
    """Largest error of each array relative to its largest value, or to 1."""
    assert result.keys() == expected.keys()
    return {
        name: float(np.abs(result[name] - value).max(initial=0) / max(1.0, np.abs(value).max(initial=0)))
        for name, value in expected.items()
    }
