"""Every layer against the float64 reference and torch.nn, forward and backward."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from tests.tolerances import FLOAT64_REORDERED
from torch import Tensor

from sulsul.errors import KernelError
from sulsul.kernels.cell import Cell
from sulsul.kernels.reference import layer_backward, layer_forward
from sulsul.model import gate_order, recurrence
from sulsul.model.packed_batch import PackedBatch
from sulsul.model.recurrence import run_layer
from sulsul.model.recurrence_inputs import DirectionParameters, TokenInput
from sulsul.model.specification import RecurrentLayer

LAYERS = [
    RecurrentLayer(kind="simple-rnn", units=4),
    RecurrentLayer(kind="simple-rnn", units=3, activation="relu"),
    RecurrentLayer(kind="lstm", units=4),
    RecurrentLayer(kind="lstm", units=3, activation="relu"),
    RecurrentLayer(kind="gru", units=4),
    RecurrentLayer(kind="gru", units=3, reset_after=False),
]
LENGTHS = [(5, 0, 3, 3, 1), (4, 4), (1,), (2, 0)]
V, I = 7, 3  # noqa: E741


def layer_id(layer: RecurrentLayer) -> str:
    return f"{layer.kind}-{layer.activation}-{'after' if layer.reset_after else 'before'}"


@pytest.fixture(params=LAYERS, ids=layer_id)
def layer(request: pytest.FixtureRequest) -> Iterator[RecurrentLayer]:
    return request.param


def make_batch(lengths: tuple[int, ...]) -> PackedBatch:
    rng = np.random.default_rng(1)
    return PackedBatch.from_sequences([rng.integers(0, V, length).tolist() for length in lengths])


def draw(layer: RecurrentLayer, input_size: int, seed: int) -> DirectionParameters:
    generator = torch.Generator().manual_seed(seed)
    columns = layer.n_gates * layer.units
    bias_shape = (2, columns) if layer.kind == "gru" and layer.reset_after else (columns,)
    shapes = [(input_size, columns), (layer.units, columns), bias_shape]
    tensors = (0.5 * torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return DirectionParameters(*(tensor.requires_grad_() for tensor in tensors))


def draw_rows(batch: PackedBatch, size: int = I) -> Tensor:
    generator = torch.Generator().manual_seed(9)
    return torch.randn((batch.n_rows, size), generator=generator, dtype=torch.float64)


def as_both(layer: RecurrentLayer) -> RecurrentLayer:
    return layer.model_copy(update={"bidirectional": True})


def assert_close(ours: Tensor | None, theirs: Tensor | np.ndarray) -> None:
    assert ours is not None
    torch.testing.assert_close(ours.detach(), torch.as_tensor(theirs).detach(), rtol=0, atol=FLOAT64_REORDERED)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_bidirectional_layer_agrees_with_the_reference(layer: RecurrentLayer, lengths: tuple[int, ...]) -> None:
    layer = as_both(layer)
    batch = make_batch(lengths)
    inputs = draw_rows(batch).requires_grad_()
    directions = [draw(layer, I, 0), draw(layer, I, 1)]
    hidden = run_layer(layer, inputs, batch, directions, backend="torch")
    d_hidden = draw_rows(batch, 2 * layer.units)
    hidden.backward(d_hidden)

    cell = Cell(layer.kind, layer.activation, layer.reset_after)
    zeros = np.zeros((len(lengths), layer.units))
    d_inputs = np.zeros(inputs.shape)
    for k, direction in enumerate(directions):
        columns = slice(k * layer.units, (k + 1) * layer.units)
        arrays = [tensor.detach().numpy() for tensor in (inputs, *direction)]
        forward = layer_forward(cell, *arrays, batch.batch_sizes.numpy(), zeros, zeros, reverse=bool(k))
        assert_close(hidden[:, columns], forward.hidden)
        gradients = layer_backward(cell, forward, *arrays, d_hidden[:, columns].numpy(), zeros, zeros)
        d_inputs += gradients.inputs
        for parameter, gradient in zip(
            direction, (gradients.kernel, gradients.recurrent_kernel, gradients.bias), strict=True
        ):
            assert_close(parameter.grad, gradient)
    assert_close(inputs.grad, d_inputs)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("one_hot", [False, True])
def test_token_ids_stand_for_rows_of_a_table(layer: RecurrentLayer, *, bidirectional: bool, one_hot: bool) -> None:
    layer = layer.model_copy(update={"bidirectional": bidirectional})
    batch = make_batch((5, 0, 3, 1))
    table = torch.eye(V, dtype=torch.float64) if one_hot else 0.3 * torch.arange(V * I).view(V, I).double().sin()
    table.requires_grad_(not one_hot)
    directions = [draw(layer, table.shape[1], seed) for seed in range(layer.n_directions)]
    leaves = [tensor for direction in directions for tensor in direction] + ([] if one_hot else [table])
    written_out = run_layer(layer, table[batch.token_ids], batch, directions, backend="torch")
    looked_up = run_layer(
        layer, TokenInput(batch.token_ids, None if one_hot else table), batch, directions, backend="torch"
    )
    assert_close(looked_up, written_out)
    d_hidden = draw_rows(batch, layer.output_size)
    for ours, theirs in zip(
        torch.autograd.grad(looked_up, leaves, d_hidden),
        torch.autograd.grad(written_out, leaves, d_hidden),
        strict=True,
    ):
        assert_close(ours, theirs)


@pytest.mark.parametrize("kind", ["simple-rnn", "gru", "lstm"])
@pytest.mark.parametrize("lengths", [(5, 3, 1), (4, 4)])
def test_agrees_with_torch_modules(kind: gate_order.Cell, lengths: tuple[int, ...]) -> None:
    module_class = {"simple-rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[kind]
    module = module_class(I, 4, bidirectional=True, dtype=torch.float64)
    batch = make_batch(lengths)
    rows = draw_rows(batch)
    weights = [tensor.detach() for tensor in module._flat_weights]
    directions = [gate_order.from_torch(kind, gate_order.TorchWeights(*weights[k : k + 4])) for k in (0, 4)]
    ours = run_layer(RecurrentLayer(kind=kind, units=4, bidirectional=True), rows, batch, directions, backend="torch")
    theirs, _ = module(torch.nn.utils.rnn.PackedSequence(rows, batch.batch_sizes))
    assert_close(ours, theirs.data)


def test_gradient_check(layer: RecurrentLayer) -> None:
    layer = as_both(layer)
    batch = make_batch((4, 0, 2))
    inputs = draw_rows(batch).requires_grad_()
    leaves = [*draw(layer, I, 0), *draw(layer, I, 1)]

    def function(rows: Tensor, *tensors: Tensor) -> Tensor:
        directions = [DirectionParameters(*tensors[:3]), DirectionParameters(*tensors[3:])]
        return run_layer(layer, rows, batch, directions, backend="torch")

    assert torch.autograd.gradcheck(function, (inputs, *leaves))


def test_neighbours_change_nothing_beyond_rounding(layer: RecurrentLayer) -> None:
    layer = as_both(layer)
    sequences = [[1, 2, 3, 4, 5], [], [6, 5], [2, 2, 2]]
    table = draw_rows(make_batch((V,)))
    directions = [draw(layer, I, 0), draw(layer, I, 1)]
    together = PackedBatch.from_sequences(sequences)
    hidden = run_layer(layer, TokenInput(together.token_ids, table), together, directions, backend="torch")
    for k, row in enumerate(together.order.tolist()):
        alone = PackedBatch.from_sequences([sequences[row]])
        theirs = run_layer(layer, TokenInput(alone.token_ids, table), alone, directions, backend="torch")
        assert_close(hidden[together.sequence_of_row == k], theirs)


def test_a_batch_of_empty_texts_has_no_rows(layer: RecurrentLayer) -> None:
    batch = PackedBatch.from_sequences([[], []])
    hidden = run_layer(as_both(layer), TokenInput(batch.token_ids, None), batch, [draw(layer, V, 0)] * 2)
    assert hidden.shape == (0, 2 * layer.units)


def test_an_unknown_token_id_is_refused(layer: RecurrentLayer) -> None:
    batch = PackedBatch.from_sequences([[1, V]])
    with pytest.raises(IndexError):
        run_layer(layer, TokenInput(batch.token_ids, None), batch, [draw(layer, V, 0)], backend="torch")


class FakeNative:
    """A native backend that knows nothing but float32, and answers with ones."""

    def refusal(self, layer: RecurrentLayer, *, device: torch.device, dtype: torch.dtype) -> str | None:
        return None if dtype == torch.float32 else f"{dtype} is not supported"

    def run_layer(
        self,
        layer: RecurrentLayer,
        inputs: Tensor | TokenInput,
        batch: PackedBatch,
        directions: list[DirectionParameters],
    ) -> Tensor:
        return torch.ones((batch.n_rows, layer.output_size))


def test_auto_runs_natively_wherever_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, batch = LAYERS[0], make_batch((2,))
    monkeypatch.setattr(recurrence, "_native", FakeNative)
    double = draw(layer, V, 0)
    single = DirectionParameters(*(tensor.detach().float() for tensor in double))
    inputs = TokenInput(batch.token_ids, None)
    assert torch.equal(run_layer(layer, inputs, batch, [single]), torch.ones(2, 4))
    assert torch.equal(run_layer(layer, inputs, batch, [single], backend="native"), torch.ones(2, 4))
    assert not torch.equal(run_layer(layer, inputs, batch, [single], backend="torch"), torch.ones(2, 4))
    assert run_layer(layer, inputs, batch, [double]).dtype == torch.float64


def test_native_is_refused_where_it_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, batch = LAYERS[0], make_batch((2,))
    monkeypatch.setattr(recurrence, "_native", FakeNative)
    with pytest.raises(KernelError, match=r"native.*simple-rnn.*float64 is not supported.*auto"):
        run_layer(layer, TokenInput(batch.token_ids, None), batch, [draw(layer, V, 0)], backend="native")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("lengths", LENGTHS)
def test_gpu_agrees_with_the_cpu(layer: RecurrentLayer, lengths: tuple[int, ...]) -> None:
    layer = as_both(layer)
    batch = make_batch(lengths)
    inputs = draw_rows(batch)
    results = []
    for device in ("cpu", "cuda"):
        directions = [
            DirectionParameters(*(tensor.detach().to(device).requires_grad_() for tensor in draw(layer, I, seed)))
            for seed in (0, 1)
        ]
        hidden = run_layer(layer, inputs.to(device), batch.to(device), directions)
        hidden.square().sum().backward()
        results.append([hidden, *(tensor.grad for direction in directions for tensor in direction)])
    for ours, theirs in zip(*results, strict=True):
        assert_close(theirs.cpu(), ours)
