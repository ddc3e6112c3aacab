"""The native recurrent layer: thin, typed calls into the extension.

Arrays may be NumPy arrays or anything else in memory that supports the array interchange protocol (``__dlpack__``),
such as torch tensors; nothing is copied. They must be C-contiguous and of one dtype, float32 or float64. Integers are
int64.

Layouts, equations and the packed batch are those of :mod:`sulsul.kernels.reference`.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sulsul.errors import KernelError
from sulsul.kernels import _native
from sulsul.kernels.cell import Cell

Array = Any  # numpy.ndarray, torch.Tensor, …: no common static type exists
Allocate = Callable[[tuple[int, ...]], Array]
Precision = Literal["float32", "bf16"]
_ALIGNMENT_BYTES = 64

InstructionSet = Literal["scalar", "avx2", "avx512", "amx"]


@dataclass(frozen=True)
class Tokens:
    """Token ids in place of dense rows.

    Attributes
    ----------
    token_ids
        (N,) int64, in packed order.
    embedding
        (V, I), or None: each token is a one-hot row, which never exists, and the kernel has V rows.
    """

    token_ids: Array
    embedding: Array | None = None


@dataclass(frozen=True)
class Weights:
    """One direction's weights: (I, G·H), (H, G·H) and ``Cell.bias_shape``."""

    kernel: Array
    recurrent_kernel: Array
    bias: Array


@dataclass(frozen=True)
class State:
    """One direction's hidden and cell state, (B, H) each, or None for zeros (or, for a result, not asked for)."""

    h: Array | None = None
    c: Array | None = None


@dataclass(frozen=True)
class Forward:
    """Result of :func:`layer_forward`.

    Attributes
    ----------
    hidden
        (N, D·H), or None where only final states were asked for.
    final
        State of each direction after its last step.
    saved
        For :func:`layer_backward`: for each direction what the cell keeps, or None.
    """

    hidden: Array | None
    final: tuple[State, ...]
    saved: tuple[tuple[Array | None, Array | None], ...]


@dataclass(frozen=True)
class DirectionGradients:
    """Gradients of one direction's weights and initial states; ``h0`` and ``c0`` are None unless asked for."""

    kernel: Array
    recurrent_kernel: Array
    bias: Array
    h0: Array | None = None
    c0: Array | None = None


@dataclass(frozen=True)
class Backward:
    """Result of :func:`layer_backward`.

    Attributes
    ----------
    inputs
        Gradient of the dense rows (N, I), or of the embedding (V, I); None for one-hot tokens or if not asked for.
    directions
        Gradients of each direction.
    """

    inputs: Array | None
    directions: tuple[DirectionGradients, ...]


def layer_forward(
    cell: Cell,
    inputs: Array | Tokens,
    batch_sizes: Array,
    n_sequences: int,
    weights: Sequence[Weights],
    *,
    initial: Sequence[State] | None = None,
    training: bool = False,
    sequence_output: bool = True,
    final_states: bool = True,
    precision: Precision = "float32",
    empty: Allocate | None = None,
) -> Forward:
    """Run a recurrent layer in one or both directions.

    Parameters
    ----------
    cell
        Which recurrence.
    inputs
        Dense rows (N, I), or tokens.
    batch_sizes
        Number of sequences that reach each timestep, (T,) int64, not increasing.
    n_sequences
        Number of sequences B, those of length 0 included.
    weights
        One element for each direction; the second runs every sequence from its end.
    initial
        Initial state of each direction; zeros by default.
    training
        Keep what :func:`layer_backward` needs.
    sequence_output
        Return every hidden state. Training does so always.
    final_states
        Return each direction's states after its last step.
    precision
        How float32 products are computed where the processor has AMX: ``"float32"`` splits each factor into three
        products (error about 3e-6), ``"bf16"`` rounds it (4e-3).
    empty
        Makes an uninitialised array of a shape for each result; NumPy arrays of the weights' dtype by default.

    Raises
    ------
    KernelError
        If an array has the wrong shape, dtype or layout.
    IndexError
        If a token id is outside the vocabulary.
    """
    empty = empty or _numpy_like(weights[0].kernel)
    units = int(weights[0].recurrent_kernel.shape[0])
    n_rows = _n_rows(inputs)
    final = tuple(_empty_state(cell, n_sequences, units, empty) if final_states else State() for _ in weights)
    hidden = empty((n_rows, len(weights) * units)) if sequence_output or training else None
    saved = tuple(_empty_saved(cell, n_rows, units, empty) if training else (None, None) for _ in weights)
    _call(
        _native.layer_forward,
        *_common(cell, inputs, batch_sizes, n_sequences, weights, initial),
        hidden,
        [(state.h, state.c) for state in final],
        saved,
        precision,
    )
    return Forward(hidden, final, saved)


def layer_backward(
    cell: Cell,
    forward: Forward,
    inputs: Array | Tokens,
    batch_sizes: Array,
    n_sequences: int,
    weights: Sequence[Weights],
    d_hidden: Array | None,
    d_final: Sequence[State] | None = None,
    *,
    initial: Sequence[State] | None = None,
    input_gradient: bool = True,
    initial_gradient: bool = False,
    precision: Precision = "float32",
    empty: Allocate | None = None,
) -> Backward:
    """Return the gradients of a loss by back-propagation through time.

    Parameters
    ----------
    forward
        Result of :func:`layer_forward` with ``training=True`` for the same arguments. It is only read.
    d_hidden, d_final
        Gradient of the loss with respect to ``forward.hidden`` and ``forward.final``; None for zeros.
    input_gradient, initial_gradient
        Whether the gradients of the inputs (or embedding) and of the initial states are wanted.

    Raises
    ------
    KernelError, IndexError
        As :func:`layer_forward`.
    """
    empty = empty or _numpy_like(weights[0].kernel)
    units = int(weights[0].recurrent_kernel.shape[0])
    directions = tuple(_empty_gradients(cell, w, n_sequences, units, initial_gradient, empty) for w in weights)
    tokens = isinstance(inputs, Tokens)
    source: Array = inputs.embedding if isinstance(inputs, Tokens) else inputs
    d_inputs = empty(tuple(source.shape)) if input_gradient and source is not None else None
    _call(
        _native.layer_backward,
        *_common(cell, inputs, batch_sizes, n_sequences, weights, initial),
        forward.hidden,
        forward.saved,
        d_hidden,
        [(state.h, state.c) for state in d_final or [State()] * len(weights)],
        [(g.kernel, g.recurrent_kernel, g.bias, g.h0, g.c0) for g in directions],
        None if tokens else d_inputs,
        d_inputs if tokens else None,
        precision,
    )
    return Backward(d_inputs, directions)


def detected_instruction_set() -> InstructionSet:
    """Return the best instruction set of this machine."""
    name: InstructionSet = _native.detected_isa()
    return name


def active_instruction_set() -> InstructionSet:
    """Return the instruction set in use: the detected one, or that of the environment variable ``SULSUL_ISA``."""
    name: InstructionSet = _native.active_isa()
    return name


def force_instruction_set(name: InstructionSet) -> None:
    """Use an instruction set from now on, in every thread.

    Raises
    ------
    KernelError
        If it is unknown, or this machine lacks it.
    """
    _call(_native.force_isa, name)


def matmul(
    a: Array,
    b: Array,
    out: Array,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    accumulate: bool = False,
) -> None:
    """Write op(a) op(b) to ``out`` (M, N), or add it. Rows may lie apart, their elements not.

    Raises
    ------
    KernelError
        If shapes or dtypes do not fit together, or both factors are to be transposed.
    """
    product = functools.partial(_native.matmul, transpose_a=transpose_a, transpose_b=transpose_b, accumulate=accumulate)
    _call(product, a, b, out)


class DocumentReader:
    """Learns vectors of n-grams and of documents, near each other where the n-gram stands in the document, by cosine.

    Learns in place and keeps the arrays. Results do not depend on the number of threads. See
    ``cpp/documents/document_vectors.h``.

    Parameters
    ----------
    ngrams : float32 (F, D)
        Vectors of n-grams; D a multiple of 16.
    squares : float32 (F,)
        The sum of squares of each.
    noise : int32 (n_blocks, draws)
        N-grams drawn at random; block b holds those that are b modulo ``n_blocks``.
    strength
        What the cosine is multiplied by in the logistic function.
    negatives, negative_weight
        N-grams drawn for each one that is read, and what each counts.

    Raises
    ------
    KernelError
        If shapes, dtypes or ids do not fit together.
    """

    def __init__(
        self, ngrams: Array, squares: Array, noise: Array, *, strength: float, negatives: int, negative_weight: float
    ) -> None:
        made = functools.partial(
            _native.DocumentReader, strength=strength, negatives=negatives, negative_weight=negative_weight
        )
        self._reader = _call(made, ngrams, squares, noise)

    def bind(self, ids: Array, offsets: Array, documents: Array, squares: Array) -> None:
        """Name the documents: int32 ids of all their n-grams, int64 offsets (B + 1,), vectors (B, D) and their squares.

        Raises
        ------
        KernelError
            As the constructor.
        """
        _call(self._reader.bind, ids, offsets, documents, squares)

    def learn(self, rows: Array, *, rate: float, seed: int) -> float:
        """Read some documents once, int64 (n,), all different, and return the mean loss of an n-gram.

        Raises
        ------
        KernelError
            If a row is no document, or there twice.
        """
        return float(_call(functools.partial(self._reader.learn, rate=rate, seed=seed), rows))


def thread_count() -> int:
    """Return the number of threads the kernels use, the caller included. Results do not depend on it."""
    n: int = _native.thread_count()
    return n


def set_thread_count(n: int) -> None:
    """Set the number of threads.

    Raises
    ------
    KernelError
        Unless it is from 1 to 1024.
    """
    _call(_native.set_thread_count, n)


def _call(function: Callable[..., Any], *arguments: object) -> Any:
    try:
        return function(*arguments)
    except (ValueError, TypeError, RuntimeError) as error:
        raise KernelError(f"native kernels: {error}") from error


def _common(
    cell: Cell,
    inputs: Array | Tokens,
    batch_sizes: Array,
    n_sequences: int,
    weights: Sequence[Weights],
    initial: Sequence[State] | None,
) -> tuple[object, ...]:
    rows, token_ids, embedding = inputs, None, None
    if isinstance(inputs, Tokens):
        rows, token_ids, embedding = None, inputs.token_ids, inputs.embedding
    return (
        cell.kind,
        cell.activation,
        cell.reset_after,
        batch_sizes,
        n_sequences,
        rows,
        token_ids,
        embedding,
        [(w.kernel, w.recurrent_kernel, w.bias) for w in weights],
        [(state.h, state.c) for state in initial or [State()] * len(weights)],
    )


def _n_rows(inputs: Array | Tokens) -> int:
    rows: Array = inputs.token_ids if isinstance(inputs, Tokens) else inputs
    return int(rows.shape[0])


def _numpy_like(kernel: Array) -> Allocate:
    dtype = np.asarray(kernel).dtype
    return lambda shape: _aligned_empty(shape, dtype)


def _aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    # NumPy aligns to 16 bytes. With rows across cache lines a training step took a third longer.
    size_bytes = math.prod(shape) * dtype.itemsize
    memory = np.empty(size_bytes + _ALIGNMENT_BYTES, dtype=np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT_BYTES
    return memory[start : start + size_bytes].view(dtype).reshape(shape)


def _empty_state(cell: Cell, n_sequences: int, units: int, empty: Allocate) -> State:
    shape = (n_sequences, units)
    return State(empty(shape), empty(shape) if cell.has_cell_state else None)


def _empty_saved(cell: Cell, n_rows: int, units: int, empty: Allocate) -> tuple[Array | None, Array | None]:
    if cell.kind == "simple-rnn":
        return None, None  # its hidden state says everything
    return empty((n_rows, 4 * units)), empty((n_rows, units)) if cell.has_cell_state else None


def _empty_gradients(
    cell: Cell, weights: Weights, n_sequences: int, units: int, initial: bool, empty: Allocate
) -> DirectionGradients:
    state = (n_sequences, units)
    return DirectionGradients(
        empty(tuple(weights.kernel.shape)),
        empty(tuple(weights.recurrent_kernel.shape)),
        empty(tuple(weights.bias.shape)),
        empty(state) if initial else None,
        empty(state) if initial and cell.has_cell_state else None,
    )
