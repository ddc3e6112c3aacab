"""The seam between a recurrent layer and whatever computes it.

A backend is a module with two functions:

``refusal(layer, *, device, dtype) -> str | None``
    Why the backend cannot run this layer there, or ``None`` where it can.
``run_layer(layer, inputs, batch, directions) -> Tensor``
    The hidden states, as :func:`run_layer` here describes them, differentiable by every floating-point argument. It is
    never called with an empty batch, and must refuse token ids outside the table by :class:`IndexError`.
"""

import functools
import importlib
import importlib.util
from collections.abc import Sequence
from typing import Literal, Protocol, cast

import torch
from torch import Tensor

from sulsul.errors import KernelError
from sulsul.model import torch_backend
from sulsul.model.packed_batch import PackedBatch
from sulsul.model.recurrence_inputs import DirectionParameters, TokenInput
from sulsul.model.specification import RecurrentLayer

Backend = Literal["auto", "native", "torch"]


class RecurrenceBackend(Protocol):
    """A module that computes recurrent layers."""

    def refusal(self, layer: RecurrentLayer, *, device: torch.device, dtype: torch.dtype) -> str | None:
        """Return why it cannot run ``layer`` there, or ``None``."""

    def run_layer(
        self,
        layer: RecurrentLayer,
        inputs: Tensor | TokenInput,
        batch: PackedBatch,
        directions: Sequence[DirectionParameters],
    ) -> Tensor:
        """Return the hidden states (N, D·H)."""


def resolve_backend(
    requested: Backend, layer: RecurrentLayer, *, device: torch.device, dtype: torch.dtype
) -> Literal["native", "torch"]:
    """Return the backend that runs ``layer``: what was asked for or, under ``auto``, native wherever it can.

    Raises
    ------
    KernelError
        If ``native`` is asked for and cannot run the layer on this device or in this dtype.
    """
    if requested == "torch":
        return "torch"
    reason = _native_refusal(layer, device, dtype)
    if reason is None:
        return "native"
    if requested == "native":
        raise KernelError(f"backend 'native' cannot run a {layer.kind} layer here: {reason}; use 'auto' or 'torch'")
    return "torch"


@functools.cache
def _native() -> RecurrenceBackend | None:
    """Return the native backend, or ``None`` in an installation without it."""
    name = "sulsul.model.native_backend"
    if importlib.util.find_spec(name) is None:
        return None
    return cast(RecurrenceBackend, importlib.import_module(name))


def _native_refusal(layer: RecurrentLayer, device: torch.device, dtype: torch.dtype) -> str | None:
    native = _native()
    if native is None:
        return "it is not part of this installation"
    return native.refusal(layer, device=device, dtype=dtype)


def run_layer(
    layer: RecurrentLayer,
    inputs: Tensor | TokenInput,
    batch: PackedBatch,
    directions: Sequence[DirectionParameters],
    *,
    backend: Backend = "auto",
) -> Tensor:
    """Return the hidden state of every real timestep of a recurrent layer that starts from zeros.

    Parameters
    ----------
    layer
        Cell, units and activation.
    inputs
        Packed rows (N, I), or token ids that stand for rows of a table.
    batch
        Where the rows belong; only its shape is read here.
    directions
        Parameters of the forward direction and, in a bidirectional layer, of the backward direction.
    backend
        ``native``, ``torch``, or ``auto``.

    Returns
    -------
    Tensor, shape (N, D·H)
        Row by row the forward state and, behind it, the backward state.

    Raises
    ------
    KernelError
        If ``native`` is asked for and cannot run the layer.
    IndexError
        If a token id is outside the table.
    """
    kernel = directions[0].recurrent_kernel
    resolved = resolve_backend(backend, layer, device=kernel.device, dtype=kernel.dtype)
    if batch.n_rows == 0:
        return kernel.new_zeros((0, layer.output_size))
    native = _native() if resolved == "native" else None
    return (native or torch_backend).run_layer(layer, inputs, batch, directions)
