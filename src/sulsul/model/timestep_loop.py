r"""The recurrences that torch has no module for, one timestep after another over packed rows.

LSTM with activation φ (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000; φ as in Keras):

.. math::
    i, f, o &= σ(x W + h U + b) \qquad g = φ(x W_c + h U_c + b_c) \\
    c' &= f c + i g \qquad h' = o \, φ(c')

GRU whose reset gate acts before the recurrent product (Cho et al. 2014, v1 on arXiv; Keras ``reset_after=False``):

.. math::
    z, r = σ(x W + h U + b) \qquad n = φ(x W_n + (r h) U_n + b_n) \qquad h' = z h + (1 - z) n
"""

from collections.abc import Callable

import torch
from torch import Tensor

from sulsul.model.packed_batch import PackedBatch
from sulsul.model.recurrence_inputs import DirectionParameters
from sulsul.model.specification import RecurrentLayer

State = tuple[Tensor, ...]
Step = Callable[[Tensor, State], State]
"""Maps a projected timestep (b, G·H) and the state before it to the state after it; state[0] is the hidden state."""


def run_direction(
    layer: RecurrentLayer, projected: Tensor, batch: PackedBatch, parameters: DirectionParameters, *, reverse: bool
) -> Tensor:
    """Return the hidden states (N, H) of one direction.

    Parameters
    ----------
    layer
        An LSTM, or a GRU with ``reset_after`` false.
    projected
        x·W without bias, packed rows (N, G·H).
    batch
        Shape of the packed rows.
    parameters
        Recurrent kernel and bias; the input kernel is not read.
    reverse
        Whether to run from the last timestep of each sequence to its first.
    """
    step = (_lstm_step if layer.kind == "lstm" else _gru_step)(layer, parameters.recurrent_kernel)
    timesteps = list(torch.split(projected + parameters.bias, batch.batch_sizes.tolist()))
    zeros = projected.new_zeros((batch.n_nonempty, layer.units))
    state: State = (zeros,) * (2 if layer.kind == "lstm" else 1)
    if reverse:
        # Sequences join as their last timestep comes up: none has been started before that.
        state = tuple(part[:0] for part in state)
        timesteps.reverse()
    hidden = []
    for timestep in timesteps:
        size = timestep.shape[0]
        if reverse:
            n_joining = size - state[0].shape[0]
            state = tuple(torch.cat([part, zeros[:n_joining]]) if n_joining else part for part in state)
        else:
            state = tuple(part[:size] for part in state)
        state = step(timestep, state)
        hidden.append(state[0])
    if reverse:
        hidden.reverse()
    return torch.cat(hidden)


def _lstm_step(layer: RecurrentLayer, recurrent_kernel: Tensor) -> Step:
    activation = torch.relu if layer.activation == "relu" else torch.tanh

    def step(projected: Tensor, state: State) -> State:
        hidden, cell = state
        gates = torch.addmm(projected, hidden, recurrent_kernel)
        input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=1)
        cell = torch.sigmoid(forget_gate) * cell + torch.sigmoid(input_gate) * activation(candidate)
        return torch.sigmoid(output_gate) * activation(cell), cell

    return step


def _gru_step(layer: RecurrentLayer, recurrent_kernel: Tensor) -> Step:
    n_gate_columns = 2 * layer.units
    gate_kernel, candidate_kernel = recurrent_kernel[:, :n_gate_columns], recurrent_kernel[:, n_gate_columns:]

    def step(projected: Tensor, state: State) -> State:
        (hidden,) = state
        gates = torch.sigmoid(torch.addmm(projected[:, :n_gate_columns], hidden, gate_kernel))
        update_gate, reset_gate = gates.chunk(2, dim=1)
        new = torch.tanh(torch.addmm(projected[:, n_gate_columns:], reset_gate * hidden, candidate_kernel))
        return (torch.lerp(new, hidden, update_gate),)

    return step
