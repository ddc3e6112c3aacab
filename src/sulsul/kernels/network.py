"""A whole classifier in the extension: one call for a prediction, one for a training step.

In a small network almost all time of a step goes into passing tensors from one operation to the next. Here gathering
the texts, the forward pass, the loss, the backward pass, clipping and the optimizer are one call into the extension,
on arrays that stay where they are.

Parameters are bound by name, in the layout of :class:`sulsul.model.Classifier`. Arrays are NumPy's, C-contiguous; the
network keeps a reference to each. Calls on one network run one after another, whatever thread they come from, and
release the interpreter's lock.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from sulsul.errors import DataError, KernelError
from sulsul.kernels import _native
from sulsul.kernels.cell import Cell

FloatArray = npt.NDArray[np.floating]
Labels = npt.NDArray[np.int64] | npt.NDArray[np.float32]
Optimizer = Literal["sgd", "rmsprop", "adam", "adamw"]

BLOCK = 16
"""Flat arrays of parameters have a multiple of this many elements, and each parameter begins at one."""


@dataclass(frozen=True)
class ParameterInfo:
    """A parameter, or a statistic that a forward pass in training moves (``trainable`` is then false)."""

    name: str
    shape: tuple[int, ...]
    trainable: bool


class Loss(NamedTuple):
    """Mean weighted loss of a batch before the step, and how many of its texts were answered correctly."""

    value: float
    n_correct: int


class WholeBatch(NamedTuple):
    """Where some texts stand in the batch they are a part of, which decides their dropout masks.

    Attributes
    ----------
    places : int64 (B,)
        For each row of the part the packed sequence that it is in the whole batch.
    offsets : int64 (T,)
        Of the whole batch: packed rows before each timestep.
    """

    places: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]


class Network:
    """Input, sequence layers, pooling, dense head and output, added in this order.

    Parameters
    ----------
    dtype
        ``float32`` or ``float64``, for every array of floats.

    Examples
    --------
    >>> network = Network(np.float32)
    >>> network.set_embedding_input(vocabulary_size=10, size=4)
    >>> network.add_recurrent(Cell("gru"), units=3)
    >>> network.set_pooling("max")
    >>> network.set_output("sigmoid", n_logits=1)
    >>> [parameter.name for parameter in network.parameters()][-2:]
    ['output.kernel', 'output.bias']
    """

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise KernelError(f"a native network computes in float32 or float64, not {self.dtype}")
        self._native = _native.DoubleNetwork() if self.dtype == np.float64 else _native.FloatNetwork()

    def set_one_hot_input(self, *, vocabulary_size: int) -> None:
        """Read tokens as one-hot rows, which never exist; a recurrent layer must follow."""
        _call(self._native.set_input, "one-hot", vocabulary_size, vocabulary_size, False)

    def set_embedding_input(self, *, vocabulary_size: int, size: int, trainable: bool = True) -> None:
        """Read tokens as rows of a table (V, E)."""
        _call(self._native.set_input, "embedding", vocabulary_size, size, trainable)

    def set_summed_embedding_input(self, *, vocabulary_size: int, size: int, trainable: bool = True) -> None:
        """Read tokens as word types, each the sum of rows of a table (V, E) (Bojanowski et al., 2017, eq. 2)."""
        _call(self._native.set_input, "summed-embedding", vocabulary_size, size, trainable)

    def set_raw_ids_input(self, *, pad_to: int) -> None:
        """Read every text as one timestep whose features are its ``pad_to`` token ids."""
        _call(self._native.set_input, "raw-ids", 0, pad_to, False)

    def add_recurrent(self, cell: Cell, *, units: int, bidirectional: bool = False) -> None:
        """Add a recurrent layer."""
        directions = 2 if bidirectional else 1
        _call(self._native.add_recurrent, cell.kind, cell.activation, cell.reset_after, units, directions)

    def add_batch_norm(self, *, momentum: float, epsilon: float) -> None:
        """Add batch normalisation of the packed rows."""
        _call(self._native.add_batch_norm, momentum, epsilon)

    def add_dropout(self, rate: float) -> None:
        """Add dropout: of packed rows or, once the pooling is set, of pooled ones."""
        _call(self._native.add_dropout, rate)

    def set_pooling(self, kind: Literal["last", "mean", "max", "attention"]) -> None:
        """Set how a sequence becomes one row."""
        _call(self._native.set_pooling, kind)

    def add_dense(self, *, units: int, activation: Literal["linear", "relu", "tanh"]) -> None:
        """Add a dense layer on the pooled rows."""
        _call(self._native.add_dense, units, activation)

    def set_output(self, kind: Literal["sigmoid", "softmax", "multi-label"], *, n_logits: int) -> None:
        """Set the last dense layer and what its logits mean; nothing can be added afterwards."""
        _call(self._native.set_output, kind, n_logits)

    def parameters(self) -> list[ParameterInfo]:
        """Return every array that must be bound, in the order of the data."""
        return [ParameterInfo(name, tuple(shape), trainable) for name, shape, trainable in self._native.parameters()]

    def times(self) -> dict[str, float]:
        """Return the seconds spent so far in each part of a call: gather, forward, loss, backward, update."""
        seconds: dict[str, float] = self._native.times()
        return seconds

    def bind_parameter(self, name: str, values: FloatArray, gradient: FloatArray | None = None) -> None:
        """Say where a parameter lies and where its gradient goes; training needs the gradients of all trainable ones.

        Raises
        ------
        KernelError
            If there is no such parameter, or an array has another shape, dtype or layout.
        """
        _call(self._native.bind_parameter, name, values, gradient)

    def bind_texts(
        self,
        token_ids: npt.NDArray[np.int32],
        offsets: npt.NDArray[np.int64],
        *,
        type_offsets: npt.NDArray[np.int64] | None = None,
        part_ids: npt.NDArray[np.int32] | None = None,
    ) -> None:
        """Say where the texts lie, and unbind the labels.

        Parameters
        ----------
        token_ids : int32 (N,)
            All tokens.
        offsets : int64 (n_texts + 1,)
            Text ``i`` is ``token_ids[offsets[i]:offsets[i + 1]]``.
        type_offsets, part_ids : int64 (W + 1,), int32 (P,)
            For a summed embedding, and for no other input: a token id ``w`` stands for the sum of the table's rows
            ``part_ids[type_offsets[w]:type_offsets[w + 1]]``. W is unlimited and costs nothing: only the types of a
            batch are looked at.

        Raises
        ------
        DataError
            If types are missing or superfluous.
        KernelError
            If an array has the wrong dtype or layout.
        """
        _call(self._native.bind_texts, token_ids, offsets, type_offsets, part_ids)

    def bind_labels(
        self,
        labels: Labels,
        *,
        class_weights: FloatArray | None = None,
        sample_weights: npt.NDArray[np.float32] | None = None,
    ) -> None:
        """Say where the texts' labels lie, and how much each text counts.

        Parameters
        ----------
        labels : int64 (n_texts,) or, for a multi-label output, float32 (n_texts, C)
            Class ids, or a 1 for every label a text has.
        class_weights : (C,), optional
            Factor on the loss of a text of the class; multi-label: of the texts that carry the label.
        sample_weights : float32 (n_texts,), optional
            Factor on the loss of each text.

        Raises
        ------
        KernelError
            If a shape or dtype is wrong or a class id does not exist.
        """
        _call(self._native.bind_targets, labels, class_weights, sample_weights)

    def set_optimizer(
        self,
        kind: Optimizer,
        *,
        values: FloatArray,
        gradients: FloatArray,
        state: tuple[FloatArray, ...],
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        lazy_embedding: bool = False,
    ) -> None:
        """Set the update rule, as :mod:`sulsul.training.optimizers` defines it.

        Parameters
        ----------
        values, gradients
            Flat arrays that hold all trainable parameters and their gradients, with zeros in the gaps; see
            :data:`BLOCK`.
        state
            What the rule remembers, in arrays of the same size, zeros at first: ``sgd`` nothing or, with momentum, the
            velocity; ``rmsprop`` the mean square; ``adam`` and ``adamw`` the mean and the mean square.
        clip_norm
            Largest global norm of the gradients; None: any.
        lazy_embedding
            Of the embedding, update only the rows that a batch reads: values, ``state`` and weight decay. A step then
            costs what its batch touches. Adam's corrections count all steps, as in ``torch.optim.SparseAdam``.

        Raises
        ------
        KernelError
            If an array has the wrong size or dtype, or there are too many or too few.
        """
        _call(
            self._native.set_optimizer,
            kind,
            momentum,
            weight_decay,
            clip_norm or 0.0,
            lazy_embedding,
            values,
            gradients,
            list(state),
        )

    def predict(
        self,
        token_ids: npt.NDArray[np.int32],
        offsets: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
        logits: FloatArray,
        *,
        type_offsets: npt.NDArray[np.int64] | None = None,
        part_ids: npt.NDArray[np.int32] | None = None,
    ) -> None:
        """Compute logits as in evaluation.

        Parameters
        ----------
        token_ids, offsets, type_offsets, part_ids
            The texts, as in :meth:`bind_texts`; what is bound there is not touched.
        rows : int64 (B,)
            Which of them.
        logits : (n_texts, L)
            Its ``rows`` are overwritten.

        Raises
        ------
        DataError
            If a row does not exist, a token or part id is outside the vocabulary or a text of a raw-ids input is not
            padded.
        KernelError
            If a parameter is not bound or an array has the wrong shape, dtype or layout.
        """
        _call(self._native.predict, token_ids, offsets, rows, logits, type_offsets, part_ids)

    def differentiate(
        self, rows: npt.NDArray[np.int64], *, seed: int = 0, step: int = 0, whole: WholeBatch | None = None
    ) -> Loss:
        """Compute loss and gradients of a batch as in training, without taking a step.

        Parameters
        ----------
        rows : int64 (B,)
            The batch.
        seed, step
            Choose the dropout masks: they are a function of these two, the layer and the place of a value.
        whole
            The batch of which the rows are a part; None: they are the whole.

        Raises
        ------
        DataError, KernelError
            As :meth:`predict`.
        """
        places, offsets = whole or (None, None)
        return Loss(*_call(self._native.differentiate, rows, seed, step, places, offsets))

    def touched_rows(self) -> npt.NDArray[np.int64]:
        """Return the rows of the trained embedding that the last batch differentiated reads, rising; else none."""
        rows: npt.NDArray[np.int64] = self._native.touched_rows()
        return rows

    def update(self, *, learning_rate: float, step: int, rows: npt.NDArray[np.int64] | None = None) -> None:
        """Take an optimizer step with the gradients that lie in the optimizer's array.

        Parameters
        ----------
        learning_rate
            Of this step.
        step
            Number of steps before it.
        rows : int64 (n,)
            Rows of the embedding to update, rising; None: all.

        Raises
        ------
        KernelError
            If the optimizer is not set or a row does not exist.
        """
        _call(self._native.update, learning_rate, step, rows)

    def train(
        self,
        batches: list[npt.NDArray[np.int64]],
        *,
        learning_rates: list[float],
        seconds: float = math.inf,
        seed: int = 0,
        step: int = 0,
    ) -> list[Loss]:
        """Take an optimizer step on each batch in turn, and return the losses of the batches it came to.

        It ends early after ``seconds``, and at a loss that is not finite, which changes no parameter and is the last
        one returned. There is always one.

        Parameters
        ----------
        batches : list of int64 (B,)
            Texts by their number.
        learning_rates
            One for each batch.
        seconds
            Time after which no further step is begun.
        seed, step
            As :meth:`differentiate`, ``step`` for the first batch: the number of steps before it.

        Raises
        ------
        DataError, KernelError
            As :meth:`predict`; the batches before the one at fault have been trained on.
        """
        return list(map(Loss._make, _call(self._native.train, batches, learning_rates, seconds, seed, step)))


def _call(function: Callable[..., Any], *arguments: object) -> Any:
    try:
        return function(*arguments)
    except IndexError as error:
        raise DataError(
            f"the texts do not fit the model: {error}; encode them with the tokenizer the model was trained with"
        ) from error
    except (ValueError, TypeError, RuntimeError) as error:
        raise KernelError(f"native network: {error}") from error
