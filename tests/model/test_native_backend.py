"""The native backend against torch's, through the seam that layers use."""

import numpy as np
import pytest
import torch
from tests.tolerances import FLOAT64_REORDERED
from torch import Tensor

from sulsul.errors import KernelError
from sulsul.model.native_backend import refusal
from sulsul.model.packed_batch import PackedBatch
from sulsul.model.recurrence import resolve_backend, run_layer
from sulsul.model.recurrence_inputs import DirectionParameters, TokenInput
from sulsul.model.specification import RecurrentLayer

LAYERS = [
    RecurrentLayer(kind="simple-rnn", units=4),
    RecurrentLayer(kind="simple-rnn", units=3, activation="relu"),
    RecurrentLayer(kind="lstm", units=4),
    RecurrentLayer(kind="lstm", units=3, activation="relu", bidirectional=True),
    RecurrentLayer(kind="gru", units=4, bidirectional=True),
    RecurrentLayer(kind="gru", units=3, reset_after=False),
]
V, I = 7, 3  # noqa: E741

layers = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: f"{layer.kind}-{layer.units}")


def make_batch(lengths: tuple[int, ...] = (5, 0, 3, 3, 1)) -> PackedBatch:
    rng = np.random.default_rng(1)
    return PackedBatch.from_sequences([rng.integers(0, V, length).tolist() for length in lengths])


def draw(shape: tuple[int, ...], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (0.5 * torch.randn(shape, generator=generator, dtype=torch.float64)).requires_grad_()


def draw_directions(layer: RecurrentLayer, input_size: int) -> list[DirectionParameters]:
    columns = layer.n_gates * layer.units
    bias = (2, columns) if layer.kind == "gru" and layer.reset_after else (columns,)
    return [
        DirectionParameters(draw((input_size, columns), d), draw((layer.units, columns), d + 10), draw(bias, d + 20))
        for d in range(2 if layer.bidirectional else 1)
    ]


def gradients(layer, inputs, batch, directions, backend) -> list[Tensor]:
    """Hidden states, then the gradient of the inputs and of every weight."""
    source = inputs.table if isinstance(inputs, TokenInput) else inputs
    leaves = [tensor for direction in directions for tensor in direction]
    leaves = leaves if source is None else [source, *leaves]
    hidden = run_layer(layer, inputs, batch, directions, backend=backend)
    return [hidden.detach(), *torch.autograd.grad(hidden, leaves, draw(tuple(hidden.shape), 5).detach())]


@layers
@pytest.mark.parametrize("kind", ["dense", "embedding", "large embedding", "one-hot"])
def test_agrees_with_torch(layer, kind):
    batch = make_batch()
    size = V if kind == "one-hot" else I
    if kind == "dense":
        inputs = draw((batch.n_rows, I), 9)
    else:
        vocabulary = {"embedding": V, "large embedding": 50}.get(kind)
        inputs = TokenInput(batch.token_ids, None if vocabulary is None else draw((vocabulary, I), 9))
    directions = draw_directions(layer, size)
    ours = gradients(layer, inputs, batch, directions, "native")
    theirs = gradients(layer, inputs, batch, directions, "torch")
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=FLOAT64_REORDERED)


@layers
def test_gradcheck(layer):
    batch = make_batch((3, 2))
    directions = draw_directions(layer, I)

    def run(rows: Tensor, *weights: Tensor) -> Tensor:
        by_direction = [DirectionParameters(*weights[i : i + 3]) for i in range(0, len(weights), 3)]
        return run_layer(layer, rows, batch, by_direction, backend="native")

    leaves = [draw((batch.n_rows, I), 9), *(tensor for direction in directions for tensor in direction)]
    assert torch.autograd.gradcheck(run, leaves, check_batched_grad=False)


def test_auto_is_native_on_the_cpu():
    layer = LAYERS[2]
    for dtype in (torch.float32, torch.float64):
        assert resolve_backend("auto", layer, device=torch.device("cpu"), dtype=dtype) == "native"
    assert resolve_backend("auto", layer, device=torch.device("cpu"), dtype=torch.bfloat16) == "torch"


def test_refusals_say_why():
    layer = LAYERS[2]
    assert refusal(layer, device=torch.device("cpu"), dtype=torch.float32) is None
    assert "cuda" in str(refusal(layer, device=torch.device("cuda"), dtype=torch.float32))
    with pytest.raises(KernelError, match=r"float32 and float64, not torch\.bfloat16"):
        resolve_backend("native", layer, device=torch.device("cpu"), dtype=torch.bfloat16)


def test_nothing_is_kept_without_gradients():
    layer, batch = LAYERS[4], make_batch()
    directions = draw_directions(layer, I)
    rows = draw((batch.n_rows, I), 9)
    with torch.no_grad():
        inference = run_layer(layer, rows, batch, directions, backend="native")
    training = run_layer(layer, rows, batch, directions, backend="native")
    assert inference.grad_fn is None
    assert training.grad_fn is not None
    assert torch.equal(inference, training)


def test_a_second_backward_gives_the_same():
    layer, batch = LAYERS[3], make_batch()
    directions = draw_directions(layer, I)
    hidden = run_layer(layer, draw((batch.n_rows, I), 9), batch, directions, backend="native")
    first = torch.autograd.grad(hidden.sum(), directions[0].kernel, retain_graph=True)[0]
    second = torch.autograd.grad(hidden.sum(), directions[0].kernel)[0]
    assert torch.equal(first, second)


def test_transposed_inputs_and_gradients_are_accepted():
    layer, batch = LAYERS[0], make_batch()
    directions = draw_directions(layer, I)
    rows = draw((I, batch.n_rows), 9)
    hidden = run_layer(layer, rows.t(), batch, directions, backend="native")
    (2 * hidden.t()).sum().backward()
    assert rows.grad is not None
    assert rows.grad.shape == rows.shape


def test_ids_outside_the_table_are_refused():
    layer, batch = LAYERS[0], make_batch()
    with pytest.raises(IndexError, match="less than the vocabulary's 2"):
        run_layer(layer, TokenInput(batch.token_ids, None), batch, draw_directions(layer, 2), backend="native")
