"""A recurrent layer computed by our own kernels on the CPU.

Both directions, the input product and, for tokens, its lookup are one differentiable call. With an embedding and a
vocabulary no larger than the batch's tokens, the kernels multiply the table once and look the products up; a one-hot
input is always a lookup. Results do not depend on the number of threads nor on what else is in the batch.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sulsul.kernels import native
from sulsul.kernels.cell import Cell
from sulsul.model.packed_batch import PackedBatch
from sulsul.model.recurrence_inputs import DirectionParameters, TokenInput
from sulsul.model.specification import RecurrentLayer

_DTYPES = (torch.float32, torch.float64)
_FIRST_TENSOR = 2  # arguments of _Layer before the tensors a gradient may be wanted for


def refusal(layer: RecurrentLayer, *, device: torch.device, dtype: torch.dtype) -> str | None:
    """Return why the kernels cannot run ``layer`` on ``device`` in ``dtype``, or ``None`` where they can."""
    del layer  # every cell a specification can describe
    if device.type not in {"cpu", "meta"}:  # meta: a bundle is being read, its weights come to the CPU next
        return f"the kernels run on the CPU, and its parameters are on {device}"
    if dtype not in _DTYPES:
        return f"the kernels compute in float32 and float64, not {dtype}"
    return None


def run_layer(
    layer: RecurrentLayer,
    inputs: Tensor | TokenInput,
    batch: PackedBatch,
    directions: Sequence[DirectionParameters],
) -> Tensor:
    """Return the hidden states (N, D·H); see :func:`sulsul.model.recurrence.run_layer`.

    Raises
    ------
    IndexError
        If a token id is outside the table.
    """
    call = _Call(
        Cell(layer.kind, layer.activation, layer.reset_after),
        inputs.token_ids.contiguous() if isinstance(inputs, TokenInput) else None,
        batch.batch_sizes,
        batch.n_nonempty,
    )
    source = inputs.table if isinstance(inputs, TokenInput) else inputs
    weights = [tensor for direction in directions for tensor in direction]
    wanted = any(tensor is not None and tensor.requires_grad for tensor in (source, *weights))
    hidden: Tensor = _Layer.apply(  # type: ignore[no-untyped-call]
        call, wanted and torch.is_grad_enabled(), source, *weights
    )
    return hidden


class _Call(NamedTuple):
    """What a layer is called with beside differentiable tensors."""

    cell: Cell
    token_ids: Tensor | None
    batch_sizes: Tensor
    n_sequences: int


class _Layer(torch.autograd.Function):
    """``hidden = layer(inputs or table, kernel, recurrent_kernel, bias, …)``, three weights for each direction."""

    @staticmethod
    def forward(ctx: Any, call: _Call, training: bool, source: Tensor | None, *weights: Tensor) -> Tensor:
        source = None if source is None else source.detach().contiguous()
        weights = tuple(tensor.detach().contiguous() for tensor in weights)
        result = native.layer_forward(
            call.cell,
            _inputs(call, source),
            call.batch_sizes,
            call.n_sequences,
            _by_direction(weights),
            training=training,
            final_states=False,
            empty=weights[0].new_empty,
        )
        if training:
            ctx.call = call
            ctx.save_for_backward(result.hidden, source, *weights, *(array for pair in result.saved for array in pair))
        return cast(Tensor, result.hidden)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_hidden: Tensor) -> tuple[Tensor | None, ...]:
        call: _Call = ctx.call
        hidden, source, *rest = ctx.saved_tensors
        n_directions = len(rest) // 5  # three weights and two saved arrays each
        weights, saved = rest[: 3 * n_directions], rest[3 * n_directions :]
        result = native.layer_backward(
            call.cell,
            native.Forward(hidden.detach(), (), tuple(zip(saved[::2], saved[1::2], strict=True))),
            _inputs(call, source),
            call.batch_sizes,
            call.n_sequences,
            _by_direction(weights),
            d_hidden.contiguous(),
            input_gradient=ctx.needs_input_grad[_FIRST_TENSOR],
            empty=weights[0].new_empty,
        )
        gradients = [g for d in result.directions for g in (d.kernel, d.recurrent_kernel, d.bias)]
        return (None,) * _FIRST_TENSOR + (result.inputs, *gradients)


def _inputs(call: _Call, source: Tensor | None) -> Tensor | native.Tokens | None:
    return source if call.token_ids is None else native.Tokens(call.token_ids, source)


def _by_direction(weights: Sequence[Tensor]) -> list[native.Weights]:
    return [native.Weights(*(tensor.detach() for tensor in weights[i : i + 3])) for i in range(0, len(weights), 3)]
