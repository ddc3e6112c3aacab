"""A recurrence over a padded batch by our kernels: differentiable by inputs, weights and initial states."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sulsul.keras.packing import Packing
from sulsul.kernels import native
from sulsul.kernels.cell import Cell

_FIRST_TENSOR = 2  # arguments of _Recurrence before the tensors a gradient may be wanted for


class Direction(NamedTuple):
    """One direction's weights, and the state (B, H) each sequence starts from; ``c0`` for the LSTM only."""

    kernel: Tensor
    recurrent_kernel: Tensor
    bias: Tensor
    h0: Tensor
    c0: Tensor | None = None


class Outputs(NamedTuple):
    """What a recurrence gives.

    Attributes
    ----------
    hidden
        Packed rows (N, D·H); None where only final states were asked for.
    final
        For each direction ``[h]`` or ``[h, c]`` after the last unmasked timestep, (B, H) in the caller's order.
    """

    hidden: Tensor | None
    final: list[list[Tensor]]


class _Call(NamedTuple):
    cell: Cell
    packing: Packing
    sequences: bool


def run(
    cell: Cell, sequences: Tensor, packing: Packing, directions: Sequence[Direction], *, return_sequences: bool
) -> Outputs:
    """Run one or two directions over the unmasked timesteps of (B, T, I).

    The second direction runs every sequence from its end. Everything is on the CPU and of one dtype, float32 or
    float64.
    """
    tensors = [
        tensor if k < 3 else tensor.index_select(0, packing.order)
        for direction in directions
        for k, tensor in enumerate(direction)
        if tensor is not None
    ]
    training = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (sequences, *tensors))
    found: tuple[Tensor, ...] = _Recurrence.apply(  # type: ignore[no-untyped-call]
        _Call(cell, packing, return_sequences), training, sequences, *tensors
    )
    hidden, states = (found[0], found[1:]) if return_sequences else (None, found)
    n_states = len(states) // len(directions)
    unsorted = [state.index_select(0, packing.places) for state in states]
    return Outputs(hidden, [unsorted[i : i + n_states] for i in range(0, len(unsorted), n_states)])


class _Recurrence(torch.autograd.Function):
    """``(hidden, final states …) = recurrence(sequences, kernel, recurrent_kernel, bias, h0, [c0], …)``."""

    @staticmethod
    def forward(ctx: Any, call: _Call, training: bool, sequences: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        rows = _rows(sequences.detach()).index_select(0, call.packing.source)
        tensors = tuple(tensor.detach().contiguous() for tensor in tensors)
        weights, initial = _by_direction(call.cell, tensors)
        result = native.layer_forward(
            call.cell,
            rows,
            call.packing.batch_sizes,
            call.packing.shape[0],
            weights,
            initial=initial,
            training=training,
            sequence_output=call.sequences,
            empty=rows.new_empty,
        )
        if training:
            ctx.call, ctx.shape = call, sequences.shape
            saved = (array for pair in result.saved for array in pair)
            ctx.n_tensors = len(tensors)
            ctx.save_for_backward(result.hidden, rows, *tensors, *saved)
            ctx.set_materialize_grads(False)
        final = tuple(array for state in result.final for array in (state.h, state.c) if array is not None)
        return (cast(Tensor, result.hidden), *final) if call.sequences else final

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        call: _Call = ctx.call
        hidden, rows, *rest = ctx.saved_tensors
        tensors, saved = rest[: ctx.n_tensors], rest[ctx.n_tensors :]
        weights, initial = _by_direction(call.cell, tensors)
        gradients = tuple(None if g is None else g.contiguous() for g in gradients)
        d_hidden, d_states = (gradients[0], gradients[1:]) if call.sequences else (None, gradients)
        n_states = len(d_states) // len(weights)
        result = native.layer_backward(
            call.cell,
            native.Forward(hidden.detach(), (), tuple(zip(saved[::2], saved[1::2], strict=True))),
            rows,
            call.packing.batch_sizes,
            call.packing.shape[0],
            weights,
            d_hidden,
            [native.State(*d_states[i : i + n_states]) for i in range(0, len(d_states), n_states)],
            initial=initial,
            input_gradient=ctx.needs_input_grad[_FIRST_TENSOR],
            initial_gradient=_wants_initial(call.cell, ctx.needs_input_grad[_FIRST_TENSOR + 1 :]),
            empty=rows.new_empty,
        )
        d_sequences = None
        if result.inputs is not None:
            d_sequences = rows.new_zeros(ctx.shape)
            _rows(d_sequences).index_copy_(0, call.packing.source, result.inputs)
        by_tensor = [
            g
            for d in result.directions
            for g in (d.kernel, d.recurrent_kernel, d.bias, d.h0, d.c0)[: _n_tensors(call.cell)]
        ]
        return (None,) * _FIRST_TENSOR + (d_sequences, *by_tensor)


def _rows(sequences: Tensor) -> Tensor:
    return sequences.reshape(-1, sequences.shape[-1])


def _n_tensors(cell: Cell) -> int:
    return 5 if cell.has_cell_state else 4


def _by_direction(cell: Cell, tensors: Sequence[Tensor]) -> tuple[list[native.Weights], list[native.State]]:
    n = _n_tensors(cell)
    directions = [[tensor.detach() for tensor in tensors[i : i + n]] for i in range(0, len(tensors), n)]
    return [native.Weights(*d[:3]) for d in directions], [native.State(*d[3:]) for d in directions]


def _wants_initial(cell: Cell, needed: Sequence[bool]) -> bool:
    n = _n_tensors(cell)
    return any(wanted for i, wanted in enumerate(needed) if i % n >= 3)
