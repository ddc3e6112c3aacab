"""``Bidirectional`` as Keras has it, both directions in one call of our kernels."""

import inspect
from typing import Any

import torch
from torch import Tensor

from sulsul.keras.installed import keras
from sulsul.keras.recurrence import run
from sulsul.keras.recurrent import NativeRecurrence, packing_of, say_once, single_mask


@keras.saving.register_keras_serializable(package="sulsul")
class Bidirectional(keras.layers.Bidirectional):  # type: ignore[misc]
    """``keras.layers.Bidirectional`` around a recurrent layer of :mod:`sulsul.keras`: both directions at once.

    Where the directions cannot be computed together, because their cells differ or each drops out other inputs, they
    are computed one by one, as Keras does.
    """

    __signature__ = inspect.signature(keras.layers.Bidirectional)

    def call(self, sequences: Tensor, initial_state: Any = None, mask: Any = None, training: bool | None = None) -> Any:
        """Return what ``keras.layers.Bidirectional`` returns."""
        mask = single_mask(mask)
        if not self._computes_here(sequences, mask, training=bool(training)):
            return super().call(sequences, initial_state=initial_state, mask=mask, training=training)
        forward, backward = self.forward_layer, self.backward_layer
        if initial_state is None:
            n_sequences = sequences.shape[0]
            initial_state = [*forward.get_initial_state(n_sequences), *backward.get_initial_state(n_sequences)]
        states = [keras.ops.convert_to_tensor(state) for state in initial_state]
        half = len(states) // 2
        packing = packing_of(sequences, mask)
        outputs = run(
            forward.native_cell(),
            sequences.to(getattr(torch, self.compute_dtype)),
            packing,
            [forward.direction(states[:half]), backward.direction(states[half:])],
            return_sequences=self.return_sequences,
        )
        if outputs.hidden is not None:
            merged = self._merged(packing.written(outputs.hidden))
        else:
            last = torch.cat([states[0] for states in outputs.final], 1)
            merged = self._merged(torch.where((packing.lengths > 0).unsqueeze(1), last, last.new_zeros(())))
        if not self.return_state:
            return merged
        final = tuple(state for states in outputs.final for state in states)
        return (*merged, *final) if self.merge_mode is None else (merged, *final)

    def _computes_here(self, sequences: Tensor, mask: Tensor | None, *, training: bool) -> bool:
        forward, backward = self.forward_layer, self.backward_layer
        if not (isinstance(forward, NativeRecurrence) and isinstance(backward, NativeRecurrence)):
            say_once(
                f"{type(self).__name__} {self.name!r} is computed by Keras: it is around layers of keras.layers; take "
                "SimpleRNN, GRU and LSTM from sulsul.keras too."
            )
            return False
        if not (forward.built and backward.built) or forward.go_backwards or not backward.go_backwards:
            return False
        if any(layer.activity_regularizer is not None for layer in (forward, backward)):
            return False  # it is added where a layer is called
        if training and (forward.cell.dropout or backward.cell.dropout):
            return False  # each direction reads other inputs
        alike = forward.compute_dtype == backward.compute_dtype == self.compute_dtype and _form(forward) == _form(
            backward
        )
        return alike and all(layer.computes_here(sequences, mask, training=training) for layer in (forward, backward))

    def _merged(self, both: Tensor) -> Any:
        """Merge (…, 2H): the forward half and the backward half."""
        if self.merge_mode == "concat":
            return both
        forward, backward = both.chunk(2, dim=-1)
        match self.merge_mode:
            case None:
                return forward, backward
            case "sum":
                return forward + backward
            case "ave":
                return (forward + backward) / 2
            case _:  # "mul"; Keras knows no other
                return forward * backward


def _form(layer: Any) -> tuple[Any, ...]:
    """Return what two directions must share to run together."""
    cell = layer.cell
    return type(layer), cell.units, cell.activation, getattr(cell, "reset_after", None), layer.zero_output_for_mask
