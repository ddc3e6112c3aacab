"""Steps of several workers against those of one process."""

import copy
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from tests.tolerances import FLOAT64_REORDERED, NATIVE_STEP_GRADIENT, PARALLEL_TRAJECTORY
from tests.workers import run_workers

from sulsul.batching import BatchPart, EncodedCorpus, part_of_batch
from sulsul.errors import SpecificationError
from sulsul.model import Classifier, DenseLayer, DropoutLayer, EmbeddingInput, ModelSpecification, RecurrentLayer
from sulsul.model.specification import BatchNormLayer, OneHotInput, RawIdsInput, SummedEmbeddingInput
from sulsul.text import WordTypes
from sulsul.training.native_step import NativeStep
from sulsul.training.objective import Objective
from sulsul.training.separable_step import SeparableNativeStep, SeparableTorchStep
from sulsul.training.settings import TrainingSettings
from sulsul.training.step import StepOutcome, TorchStep
from sulsul.training.step_choice import choose_step_runner
from sulsul.training.workers import Workers

V, C = 40, 3
LSTM = RecurrentLayer(kind="lstm", units=5, bidirectional=True)
NETWORKS = {
    "embedding": {"input": EmbeddingInput(size=6), "layers": (LSTM,), "pooling": "max"},
    "one-hot": {"input": OneHotInput(), "layers": (RecurrentLayer(kind="gru", units=4),)},
    "raw-ids": {"input": RawIdsInput(), "layers": (), "head": (DenseLayer(units=7), DropoutLayer(rate=0.3))},
    "summed": {"input": SummedEmbeddingInput(size=6), "layers": (LSTM,), "pooling": "attention"},
    "dropout": {
        "input": EmbeddingInput(size=6),
        "layers": (DropoutLayer(rate=0.2), LSTM, DropoutLayer(rate=0.4), RecurrentLayer(kind="simple-rnn", units=67)),
        "head": (DropoutLayer(rate=0.5), DenseLayer(units=9), DropoutLayer(rate=0.1)),
    },
}


def corpus(kind: str = "embedding", *, n_texts: int = 50) -> EncodedCorpus:
    rng = np.random.default_rng(1)
    lengths = np.full(n_texts, 4) if kind == "raw-ids" else rng.integers(0, 12, n_texts)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    types = None
    if kind == "summed":
        starts = np.concatenate([[0], np.cumsum(rng.integers(1, 5, V))])
        types = WordTypes(starts, rng.integers(0, V, starts[-1]).astype(np.int32))
    weights = rng.random(n_texts).astype(np.float32)
    ids = rng.integers(0, V, offsets[-1]).astype(np.int32)
    return EncodedCorpus(ids, offsets, rng.integers(0, C, n_texts).astype(np.int64), weights, types)


def network(kind: str, dtype: torch.dtype = torch.float32) -> Classifier:
    specification = ModelSpecification.model_validate({"output": "softmax", **NETWORKS[kind]})
    pad_to = 4 if kind == "raw-ids" else None
    made = Classifier(specification, vocabulary_size=V, n_classes=C, seed=2, pad_to=pad_to, backend="torch").to(dtype)
    generator = torch.Generator().manual_seed(5)
    for parameter in made.parameters():  # nothing at a value at which an error would not show
        parameter.data += 0.1 * torch.rand(parameter.shape, generator=generator, dtype=dtype)
    return made


def settings(**values: object) -> TrainingSettings:
    return TrainingSettings.model_validate({"backend": "native", "threads": 1, "seed": 7, **values})


def parts(texts: EncodedCorpus, rows: npt.NDArray[np.int64], n_parts: int) -> list[BatchPart]:
    return [part_of_batch(texts.offsets, rows, number, n_parts) for number in range(n_parts)]


@pytest.mark.parametrize("n_parts", [2, 3])
@pytest.mark.parametrize("kind", NETWORKS)
def test_gradients_of_parts_add_up_to_that_of_the_batch(kind: str, n_parts: int) -> None:
    texts, rows = corpus(kind), np.random.default_rng(4).permutation(50)[:17]
    weights = np.array([0.5, 1.0, 2.0], np.float32)
    whole = NativeStep(network(kind, torch.float64), settings(), weights)
    separable = SeparableNativeStep(network(kind, torch.float64), settings(), weights)
    loss, expected = whole.gradients(texts, rows, step=11)
    sums = {name: torch.zeros_like(gradient) for name, gradient in expected.items()}
    total = 0.0
    for part in parts(texts, rows, n_parts):
        total += separable.differentiate(texts, part, step=11).loss * part.share
        for name, gradient in separable.own.views.items():
            sums[name] += gradient * part.share
    assert total == pytest.approx(loss, rel=FLOAT64_REORDERED)
    for name, gradient in expected.items():
        torch.testing.assert_close(sums[name], gradient, rtol=FLOAT64_REORDERED, atol=FLOAT64_REORDERED, msg=name)


def test_touched_rows_are_those_that_the_part_reads() -> None:
    texts, rows = corpus("summed"), np.arange(20)
    native = SeparableNativeStep(network("summed"), settings())
    torchs = SeparableTorchStep(network("summed"), Objective("softmax"), settings())
    for part in parts(texts, rows, 2):
        native.differentiate(texts, part, step=0)
        torchs.differentiate(texts, part, step=0)
        assert texts.types is not None
        expected = np.unique(texts.types.select(np.unique(texts.select(part.rows).token_ids)).part_ids)
        assert native.touched_rows().tolist() == torchs.touched_rows().tolist() == expected.tolist()


def trained(
    kind: str, n_workers: int, own: TrainingSettings, n_steps: int = 12, batch_size: int = 16
) -> tuple[Classifier, list[StepOutcome], dict[str, torch.Tensor]]:
    """Take steps with workers, or with one process for 0, and return the first worker's network."""
    texts, start = corpus(kind), network(kind)
    rng = np.random.default_rng(9)
    batches = [rng.permutation(50)[:batch_size] for _ in range(n_steps)]

    def work(workers: Workers | None) -> tuple[Classifier, list[StepOutcome], dict[str, torch.Tensor]]:
        classifier = copy.deepcopy(start)
        runner = choose_step_runner(classifier, own, None, workers)
        outcomes = [runner.run(texts, rows, learning_rate=0.01, step=step) for step, rows in enumerate(batches)]
        return classifier, outcomes, runner.tensors()

    if n_workers == 0:
        return work(None)
    first, *others = run_workers(n_workers, work)
    for classifier, outcomes, _ in others:
        assert outcomes == first[1]
        for name, tensor in classifier.state_dict().items():
            assert torch.equal(tensor, first[0].state_dict()[name]), name
    return first


OPTIMIZERS: dict[str, dict[str, object]] = {
    "sgd": {"optimizer": "sgd", "momentum": 0.9},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.01, "clip_norm": 0.3},
    "lazy": {"optimizer": "adam", "lazy_embedding": True, "clip_norm": 0.3},
}


@pytest.mark.parametrize("backend", ["native", "torch"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", ["embedding", "summed"])
def test_workers_take_the_steps_of_one_process(kind: str, optimizer: str, backend: str) -> None:
    own = settings(backend=backend, **OPTIMIZERS[optimizer])
    alone, expected, memory = trained(kind, 0, own)
    together, outcomes, remembered = trained(kind, 2, own)
    assert [o.n_correct for o in outcomes] == [o.n_correct for o in expected]
    assert [o.loss for o in outcomes] == pytest.approx([o.loss for o in expected], rel=PARALLEL_TRAJECTORY)
    for name, tensor in alone.state_dict().items():
        torch.testing.assert_close(together.state_dict()[name], tensor, rtol=0, atol=PARALLEL_TRAJECTORY, msg=name)
    assert remembered.keys() == memory.keys()


def test_dropout_masks_do_not_depend_on_the_number_of_workers() -> None:
    own = settings(optimizer="sgd")
    _, expected, _ = trained("dropout", 0, own)
    _, outcomes, _ = trained("dropout", 3, own)
    assert [o.loss for o in outcomes] == pytest.approx([o.loss for o in expected], rel=PARALLEL_TRAJECTORY)


def test_a_worker_without_a_text_takes_part() -> None:
    own = settings(optimizer="sgd")
    _, expected, _ = trained("embedding", 0, own, batch_size=2)
    _, outcomes, _ = trained("embedding", 3, own, batch_size=2)
    assert [o.loss for o in outcomes] == pytest.approx([o.loss for o in expected], rel=PARALLEL_TRAJECTORY)


@pytest.mark.parametrize("lazy", [False, True])
def test_a_loss_that_is_not_finite_changes_no_weights(lazy: bool) -> None:
    texts = corpus()
    assert texts.sample_weights is not None
    texts.sample_weights[3] = np.inf
    before = network("embedding").state_dict()

    def work(workers: Workers) -> tuple[float, dict[str, torch.Tensor]]:
        classifier = network("embedding")
        runner = choose_step_runner(classifier, settings(lazy_embedding=lazy), None, workers)
        loss = runner.run(texts, np.arange(10), learning_rate=0.1, step=0).loss
        return loss, classifier.state_dict()

    for loss, weights in run_workers(2, work):
        assert not np.isfinite(loss)
        assert all(torch.equal(weights[name], tensor) for name, tensor in before.items())


def test_steps_end_after_the_one_in_which_a_worker_wants_to_stop() -> None:
    texts, batches = corpus(), [np.arange(10)] * 6

    def work(workers: Workers) -> int:
        runner = choose_step_runner(network("embedding"), settings(), None, workers)
        asked = iter([False, False, workers.number == 1])
        workers.stop_wanted = lambda: next(asked)
        return len(runner.run_for(60.0, texts, batches, learning_rates=[0.01] * 6, step=0))

    assert run_workers(2, work) == [3, 3]


def test_batch_normalisation_needs_one_worker() -> None:
    specification = ModelSpecification(input=EmbeddingInput(size=6), layers=(LSTM, BatchNormLayer()))
    normalised = Classifier(specification, vocabulary_size=V, n_classes=C)
    refused: Callable[[Workers], object] = lambda workers: choose_step_runner(normalised, settings(), None, workers)  # noqa: E731
    with pytest.raises(SpecificationError, match="one worker"):
        run_workers(1, refused)


def test_torch_gradients_are_those_of_the_native_step() -> None:
    texts, rows = corpus("summed"), np.arange(20)
    native = SeparableNativeStep(network("summed"), settings())
    torchs = SeparableTorchStep(network("summed"), Objective("softmax"), settings())
    part = part_of_batch(texts.offsets, rows, 1, 2)
    assert torchs.differentiate(texts, part, step=0).loss == pytest.approx(
        native.differentiate(texts, part, step=0).loss, rel=NATIVE_STEP_GRADIENT
    )
    for name, gradient in native.own.views.items():
        torch.testing.assert_close(torchs.own.views[name], gradient, rtol=0, atol=NATIVE_STEP_GRADIENT, msg=name)
    assert isinstance(torchs, TorchStep)
