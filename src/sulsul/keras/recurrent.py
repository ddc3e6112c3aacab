"""``SimpleRNN``, ``GRU`` and ``LSTM`` as Keras has them, computed by our kernels wherever they can."""

import functools
import inspect
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sulsul.errors import UsageError
from sulsul.keras.installed import keras
from sulsul.keras.packing import Packing, pack_full, pack_mask
from sulsul.keras.recurrence import Direction, run
from sulsul.kernels.cell import Activation, Cell, CellKind

_DTYPES = ("float32", "float64")


class NativeRecurrence:
    """What the three layers share, put before Keras's class: its inner loop, by our kernels.

    Attributes
    ----------
    cell_kind, native_activations
        The cell, and the names of the activations that the kernels know for it.
    """

    cell_kind: CellKind
    native_activations: tuple[Activation, ...] = ("tanh", "relu")

    cell: Any
    name: str
    built: bool
    stateful: bool
    return_sequences: bool
    go_backwards: bool
    zero_output_for_mask: bool
    compute_dtype: str
    activity_regularizer: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.stateful:
            raise UsageError(
                f"{type(self).__name__} of sulsul.keras keeps no state between batches: leave out stateful=True, or "
                "take the layer from keras.layers."
            )

    def inner_loop(
        self, sequences: Tensor, initial_state: Any, mask: Any, training: bool = False
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return the last output (B, H), all outputs (B, T, H) and the final states, as ``keras.layers.RNN`` does."""
        mask = single_mask(mask)
        if not self.computes_here(sequences, mask, training=bool(training)):
            return super().inner_loop(sequences, initial_state, mask=mask, training=training)  # type: ignore[misc,no-any-return]
        if training and self.cell.dropout:
            sequences = sequences * self.cell.get_dropout_mask(sequences[:, 0, :]).unsqueeze(1)
        packing = packing_of(sequences, mask, backwards=self.go_backwards)
        outputs = run(
            self.native_cell(),
            sequences.to(getattr(torch, self.compute_dtype)),
            packing,
            [self.direction(initial_state if isinstance(initial_state, list | tuple) else [initial_state])],
            return_sequences=self.return_sequences,
        )
        (states,) = outputs.final
        last = self._last_output(states[0], packing, mask)
        if outputs.hidden is None:
            return last, last.unsqueeze(1), states
        written = packing.written if self.zero_output_for_mask else packing.carried
        return last, written(outputs.hidden), states

    def computes_here(self, sequences: Tensor, mask: Tensor | None, *, training: bool) -> bool:
        """Return whether the kernels compute this call; a warning says once why they do not."""
        tracing = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
        if sequences.device.type == "meta" or tracing:
            return False  # shapes are being traced, nothing is computed yet
        if sequences.shape[0] * sequences.shape[1] == 0 or (mask is not None and not bool(mask.any())):
            return False  # there is no timestep
        reason = self._refusal(sequences, training=training)
        if reason is not None:
            say_once(f"{type(self).__name__} {self.name!r} is computed by Keras: {reason}.")
        return reason is None

    def native_cell(self) -> Cell:
        """Return the cell as the kernels name it."""
        kind = self.cell_kind
        return Cell(kind, _name_of(self.cell.activation), getattr(self.cell, "reset_after", True))

    def direction(self, initial_state: Sequence[Tensor]) -> Direction:
        """Return the weights as this call sees them, and the state to start from."""
        kernel = keras.ops.convert_to_tensor(self.cell.kernel)
        recurrent_kernel = keras.ops.convert_to_tensor(self.cell.recurrent_kernel)
        if self.cell.bias is None:
            bias = kernel.new_zeros(self.native_cell().bias_shape(self.cell.units))
        else:
            bias = keras.ops.convert_to_tensor(self.cell.bias)
        return Direction(kernel, recurrent_kernel, bias, *(state.to(kernel.dtype) for state in initial_state))

    def _refusal(self, sequences: Tensor, *, training: bool) -> str | None:
        if sequences.device.type != "cpu":
            return f"the kernels run on the CPU, and its input is on {sequences.device.type}"
        if self.compute_dtype not in _DTYPES:
            return f"the kernels compute in {' and '.join(_DTYPES)}, not {self.compute_dtype}"
        if _name_of(self.cell.activation) not in self.native_activations:
            return f"the kernels know the activations {', '.join(self.native_activations)} for it"
        if getattr(self.cell, "recurrent_activation", keras.activations.sigmoid) is not keras.activations.sigmoid:
            return "the gates of the kernels are sigmoids"
        if training and self.cell.recurrent_dropout:
            return "the kernels have no recurrent_dropout"
        return None

    def _last_output(self, hidden_state: Tensor, packing: Packing, mask: Tensor | None) -> Tensor:
        """Return Keras's last output: the last state, but zeros where there was no timestep or as was asked for."""
        if mask is None:
            return hidden_state
        kept = mask[:, 0 if self.go_backwards else -1] if self.zero_output_for_mask else packing.lengths > 0
        return torch.where(kept.unsqueeze(1), hidden_state, hidden_state.new_zeros(()))


def single_mask(mask: Any) -> Tensor | None:
    """Return a mask as bools (B, T), whichever way Keras hands it over."""
    if isinstance(mask, list | tuple):
        mask = mask[0]
    if mask is None:
        return None
    found: Tensor = keras.ops.convert_to_tensor(mask, dtype="bool")
    return found.squeeze(-1) if found.ndim == 3 else found


def packing_of(sequences: Tensor, mask: Tensor | None, *, backwards: bool = False) -> Packing:
    """Return where the timesteps of a batch (B, T, I) lie."""
    if mask is None:
        return pack_full(sequences.shape[0], sequences.shape[1], backwards=backwards)
    return pack_mask(mask, backwards=backwards)


@functools.cache
def say_once(message: str) -> None:
    """Warn, the first time this message comes up in the process."""
    warnings.warn(message, UserWarning, stacklevel=2)


def _name_of(activation: Any) -> Any:
    known = {keras.activations.tanh: "tanh", keras.activations.relu: "relu"}
    return known.get(activation)


@keras.saving.register_keras_serializable(package="sulsul")
class SimpleRNN(NativeRecurrence, keras.layers.SimpleRNN):  # type: ignore[misc]
    """``keras.layers.SimpleRNN`` by our kernels: the same arguments, weights and answers.

    Raises
    ------
    UsageError
        If it is to be ``stateful``.
    """

    cell_kind = "simple-rnn"
    __signature__ = inspect.signature(keras.layers.SimpleRNN)


@keras.saving.register_keras_serializable(package="sulsul")
class GRU(NativeRecurrence, keras.layers.GRU):  # type: ignore[misc]
    """``keras.layers.GRU`` by our kernels, with ``reset_after`` or without: the same arguments, weights and answers.

    Raises
    ------
    UsageError
        If it is to be ``stateful``.
    """

    cell_kind = "gru"
    native_activations = ("tanh",)
    __signature__ = inspect.signature(keras.layers.GRU)


@keras.saving.register_keras_serializable(package="sulsul")
class LSTM(NativeRecurrence, keras.layers.LSTM):  # type: ignore[misc]
    """``keras.layers.LSTM`` by our kernels: the same arguments, weights and answers.

    Raises
    ------
    UsageError
        If it is to be ``stateful``.
    """

    cell_kind = "lstm"
    __signature__ = inspect.signature(keras.layers.LSTM)
