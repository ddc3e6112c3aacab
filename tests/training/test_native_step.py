"""A native step against TorchStep, and what only it promises."""

import copy
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from tests.tolerances import NATIVE_STEP_GRADIENT, NATIVE_STEP_GRADIENT_SPLIT, NATIVE_STEP_TRAJECTORY

from sulsul.batching import EncodedCorpus
from sulsul.errors import DataError, TrainingError
from sulsul.kernels import native
from sulsul.model import Classifier, DenseLayer, DropoutLayer, EmbeddingInput, ModelSpecification, RecurrentLayer
from sulsul.model.specification import BatchNormLayer, OneHotInput, RawIdsInput, SequenceLayer, SummedEmbeddingInput
from sulsul.text import WordTypes
from sulsul.training.native_step import NativeStep
from sulsul.training.objective import Objective
from sulsul.training.settings import TrainingSettings
from sulsul.training.step import TorchStep

V, C = 30, 3


def lstm(**values: object) -> RecurrentLayer:
    return RecurrentLayer.model_validate({"kind": "lstm", "units": 6, **values})


LAYERS: dict[str, tuple[SequenceLayer, ...]] = {
    "lstm": (lstm(),),
    "lstm-relu": (lstm(activation="relu"),),
    "bilstm": (lstm(bidirectional=True),),
    "gru": (lstm(kind="gru"),),
    "gru-before": (lstm(kind="gru", reset_after=False, bidirectional=True),),
    "rnn": (lstm(kind="simple-rnn"),),
    "rnn-relu": (lstm(kind="simple-rnn", activation="relu", bidirectional=True),),
    "stack": (lstm(kind="gru", bidirectional=True), BatchNormLayer(), lstm(), lstm(kind="simple-rnn", units=17)),
    "norm-first": (BatchNormLayer(momentum=0.9), lstm()),
    "norm-last": (lstm(), BatchNormLayer()),
    "none": (),
}


def corpus(*, labels: str = "softmax", length: int | None = None) -> EncodedCorpus:
    rng = np.random.default_rng(7)
    lengths = rng.integers(0, 14, 60) if length is None else np.full(60, length)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    class_ids: npt.NDArray[np.int64] | npt.NDArray[np.float32]
    if labels == "multi-label":
        class_ids = (rng.random((60, C)) < 0.4).astype(np.float32)
    else:
        class_ids = rng.integers(0, 2 if labels == "sigmoid" else C, 60).astype(np.int64)
    return EncodedCorpus(rng.integers(0, V, offsets[-1]).astype(np.int32), offsets, class_ids)


def summed(texts: EncodedCorpus) -> EncodedCorpus:
    """Return the same texts of word types with up to five parts; type 0 has one of them twice."""
    rng = np.random.default_rng(13)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(2, 6, V))])
    part_ids = rng.integers(0, V, offsets[-1]).astype(np.int32)
    part_ids[1] = part_ids[0]
    return replace(texts, types=WordTypes(offsets, part_ids))


def classifier(*, output: str = "softmax", pad_to: int | None = None, **values: object) -> Classifier:
    values = {"input": EmbeddingInput(size=5), "layers": LAYERS["bilstm"], **values}
    network = Classifier(
        ModelSpecification.model_validate({"output": output, **values}),
        vocabulary_size=V,
        n_classes=2 if output == "sigmoid" else C,
        multi_label=output == "multi-label",
        pad_to=pad_to,
        seed=3,
        backend="torch",
    )
    generator = torch.Generator().manual_seed(5)
    for parameter in network.parameters():  # nothing at a value at which an error would not show
        parameter.data += 0.1 * torch.rand(parameter.shape, generator=generator)
    return network


def settings(**values: object) -> TrainingSettings:
    return TrainingSettings.model_validate({"threads": 1, **values})


def batches(n: int) -> Iterator[npt.NDArray[np.int64]]:
    rng = np.random.default_rng(11)
    return (rng.permutation(60)[:16].astype(np.int64) for _ in range(n))


def torch_gradients(
    network: Classifier, texts: EncodedCorpus, rows: npt.NDArray[np.int64], weights: npt.NDArray[np.float32] | None
) -> tuple[float, dict[str, torch.Tensor]]:
    step = TorchStep(network, Objective(network.output_kind, weights), settings(optimizer="sgd"))
    loss = step.run(texts, rows, learning_rate=0.0, step=0).loss
    trainable = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    return loss, {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in trainable}


def assert_same_gradients(
    network: Classifier, texts: EncodedCorpus, weights: npt.NDArray[np.float32] | None = None, n_texts: int = 16
) -> None:
    twin = copy.deepcopy(network)
    rows = next(batches(1))[:n_texts]
    loss, gradients = NativeStep(twin, settings(), weights).gradients(texts, rows)
    expected_loss, expected = torch_gradients(network, texts, rows, weights)
    tolerance = NATIVE_STEP_GRADIENT_SPLIT if native.active_instruction_set() == "amx" else NATIVE_STEP_GRADIENT
    assert loss == pytest.approx(expected_loss, rel=tolerance)
    assert gradients.keys() == expected.keys()
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in gradients.items():
        error = float((gradient - expected[name]).abs().max()) / largest
        assert error < tolerance, name
    for (name, buffer), (_, other) in zip(network.named_buffers(), twin.named_buffers(), strict=True):
        torch.testing.assert_close(other, buffer, rtol=1e-5, atol=1e-6, msg=name)


@pytest.fixture(params=["scalar", "avx2", "avx512", "amx"])
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    order: list[native.InstructionSet] = ["scalar", "avx2", "avx512", "amx"]
    if order.index(request.param) > order.index(native.detected_instruction_set()):
        pytest.skip(f"this machine lacks {request.param}")
    before = native.active_instruction_set()
    native.force_instruction_set(request.param)
    yield request.param
    native.force_instruction_set(before)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_gradients_are_those_of_torch(name: str, pooling: str, instruction_set: str) -> None:
    head = (DenseLayer(units=7, activation="tanh"), DenseLayer(units=4, activation="relu"))
    assert_same_gradients(classifier(layers=LAYERS[name], pooling=pooling, head=head), corpus())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("output", ["sigmoid", "softmax", "multi-label"])
def test_every_loss(output: str, weighted: bool) -> None:
    weights = np.array([0.5, 2.0, 3.0][: 2 if output == "sigmoid" else C], np.float32) if weighted else None
    assert_same_gradients(classifier(output=output), corpus(labels=output), weights)


def test_sample_weights() -> None:
    texts, weights = corpus(), np.linspace(0.0, 3.0, 60).astype(np.float32)
    weighted = EncodedCorpus(texts.token_ids, texts.offsets, texts.class_ids, weights)
    assert_same_gradients(classifier(), weighted, np.array([0.5, 2.0, 3.0], np.float32))


def test_every_input() -> None:
    assert_same_gradients(classifier(input=OneHotInput()), corpus())
    assert_same_gradients(classifier(input=EmbeddingInput(size=4, trainable=False)), corpus())
    assert_same_gradients(classifier(input=EmbeddingInput(size=4, trainable=False), layers=()), corpus())
    assert_same_gradients(classifier(input=RawIdsInput(), pad_to=6), corpus(length=6))
    for layers in ((), LAYERS["bilstm"], LAYERS["rnn"], LAYERS["norm-first"]):
        assert_same_gradients(classifier(input=SummedEmbeddingInput(size=5), layers=layers), summed(corpus()))


@pytest.mark.parametrize("kind", ["simple-rnn", "gru"])
def test_fewer_tokens_than_words(kind: str) -> None:
    # The input's products are then taken token by token, not word by word.
    layers = (lstm(kind=kind, bidirectional=True),)
    for given in (OneHotInput(), EmbeddingInput(size=5)):
        assert_same_gradients(classifier(input=given, layers=layers), corpus(), n_texts=2)
    assert_same_gradients(classifier(input=SummedEmbeddingInput(), layers=layers), summed(corpus()), n_texts=2)


def test_texts_without_tokens_alone() -> None:
    empty = EncodedCorpus(np.zeros(0, np.int32), np.zeros(61, np.int64), np.arange(60, dtype=np.int64) % C)
    for pooling in ("last", "mean", "max", "attention"):
        for layers in (LAYERS["stack"], LAYERS["norm-last"]):
            assert_same_gradients(classifier(pooling=pooling, layers=layers), empty)
            assert_same_gradients(
                classifier(pooling=pooling, layers=layers, input=SummedEmbeddingInput()), summed(empty)
            )


OPTIMIZERS: list[dict[str, object]] = [
    {"optimizer": "sgd"},
    {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01},
    {"optimizer": "rmsprop", "weight_decay": 0.01},
    {"optimizer": "adam", "weight_decay": 0.01, "clip_norm": 0.05},
    {"optimizer": "adamw", "weight_decay": 0.1},
]


def name_of(values: dict[str, object]) -> str:
    return "-".join(map(str, values.values()))


@pytest.mark.parametrize("values", OPTIMIZERS, ids=name_of)
def test_fifty_steps_go_where_torch_goes(values: dict[str, object]) -> None:
    check_fifty_steps(settings(**values), classifier(), corpus(), n_texts=16)


@pytest.mark.parametrize("n_texts", [2, 16])  # fewer tokens than words, and more: looked up, or not
@pytest.mark.parametrize("values", OPTIMIZERS, ids=name_of)
def test_lazy_steps_go_where_torch_goes(values: dict[str, object], n_texts: int) -> None:
    check_fifty_steps(settings(lazy_embedding=True, **values), classifier(), corpus(), n_texts=n_texts)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("values", OPTIMIZERS, ids=name_of)
def test_summed_steps_go_where_torch_goes(values: dict[str, object], lazy: bool) -> None:
    network = classifier(input=SummedEmbeddingInput(size=5))
    check_fifty_steps(settings(lazy_embedding=lazy, **values), network, summed(corpus()), n_texts=16)
    check_fifty_steps(settings(lazy_embedding=lazy, **values), network, summed(corpus()), n_texts=2)


def check_fifty_steps(chosen: TrainingSettings, ours: Classifier, texts: EncodedCorpus, *, n_texts: int) -> None:
    theirs = copy.deepcopy(ours)
    native_step, torch_step = NativeStep(ours, chosen), TorchStep(theirs, Objective(theirs.output_kind), chosen)
    rate = 0.1 if chosen.optimizer == "sgd" else 0.003
    losses = []
    for step, rows in enumerate(batches(50)):
        outcomes = [
            runner.run(texts, rows[:n_texts], learning_rate=rate, step=step) for runner in (native_step, torch_step)
        ]
        losses.append([outcome.loss for outcome in outcomes])
        assert abs(outcomes[0].n_correct - outcomes[1].n_correct) <= 1
    np.testing.assert_allclose(*np.transpose(losses), rtol=NATIVE_STEP_TRAJECTORY)
    if n_texts == 16:  # batches differ, and a step of SGD is large
        assert np.mean(losses[-10:]) < np.mean(losses[:10])
    assert native_step.tensors().keys() == torch_step.tensors().keys()
    for name, tensor in torch_step.tensors().items():
        assert native_step.tensors()[name].shape == tensor.shape, name
    # The state of one continues in the other.
    native_step.load_tensors(torch_step.tensors())
    torch_step.load_tensors(native_step.tensors())


@pytest.mark.parametrize("n_texts", [2, 16])
@pytest.mark.parametrize("values", OPTIMIZERS, ids=name_of)
@pytest.mark.parametrize("sums", [False, True])
def test_a_lazy_step_leaves_rows_that_no_text_reads(values: dict[str, object], n_texts: int, sums: bool) -> None:
    chosen, texts = settings(lazy_embedding=True, **values), summed(corpus()) if sums else corpus()
    for kind in ("native", "torch"):
        network = classifier(input=SummedEmbeddingInput(size=5) if sums else EmbeddingInput(size=5))
        objective = Objective(network.output_kind)
        runner = NativeStep(network, chosen) if kind == "native" else TorchStep(network, objective, chosen)
        for step, rows in enumerate(batches(4)):
            before = embedding_state(network, runner)
            runner.run(texts, rows[:n_texts], learning_rate=0.1, step=step)
            after = embedding_state(network, runner)
            read = rows_read(texts, rows[:n_texts])
            for quantity, tensor in after.items():
                earlier = before.get(quantity, torch.zeros_like(tensor))
                assert torch.equal(tensor[~read], earlier[~read]), (kind, quantity)
                assert (tensor[read] != earlier[read]).any(dim=1).all(), (kind, quantity)


def rows_read(texts: EncodedCorpus, rows: npt.NDArray[np.int64]) -> torch.Tensor:
    """Return for each row of the embedding whether the texts read it."""
    ids = [texts.token_ids[texts.offsets[row] : texts.offsets[row + 1]] for row in rows]
    if texts.types is not None:
        types = texts.types
        ids = [types.part_ids[types.offsets[w] : types.offsets[w + 1]] for text in ids for w in text]
    read = torch.zeros(V, dtype=torch.bool)
    read[torch.from_numpy(np.concatenate(ids)).long()] = True
    return read


def embedding_state(network: Classifier, runner: NativeStep | TorchStep) -> dict[str, torch.Tensor]:
    tensors = {name: tensor.clone() for name, tensor in runner.tensors().items() if name.startswith("input.weight/")}
    tensors.pop("input.weight/step", None)
    return tensors | {"values": network.input.weight.detach().clone()}


def test_a_lazy_step_that_reads_every_word_is_a_step(instruction_set: str) -> None:
    texts = EncodedCorpus(np.arange(V, dtype=np.int32), np.array([0, 7, V]), np.array([0, 1]))
    states = []
    for lazy in (False, True):
        network = classifier()
        step = NativeStep(network, settings(optimizer="adamw", weight_decay=0.1, lazy_embedding=lazy))
        for i in range(3):
            step.run(texts, np.arange(2), learning_rate=0.01, step=i)
        states.append(state_bytes(network))
    assert states[0] == states[1]


@pytest.mark.parametrize("sums", [False, True])
def test_a_lazy_step_on_texts_without_tokens(sums: bool) -> None:
    empty = EncodedCorpus(np.zeros(0, np.int32), np.zeros(3, np.int64), np.array([0, 1]))
    texts = summed(empty) if sums else empty
    networks = [classifier(input=SummedEmbeddingInput() if sums else EmbeddingInput()) for _ in range(2)]
    chosen = settings(lazy_embedding=True, weight_decay=0.1, optimizer="adamw")
    NativeStep(networks[0], chosen).run(texts, np.arange(2), learning_rate=0.01, step=0)
    objective = Objective(networks[1].output_kind)
    TorchStep(networks[1], objective, chosen).run(texts, np.arange(2), learning_rate=0.01, step=0)
    before = classifier(input=SummedEmbeddingInput() if sums else EmbeddingInput()).state_dict()
    for network in networks:
        after = network.state_dict()
        assert torch.equal(after["input.weight"], before["input.weight"])
        assert not torch.equal(after["output.bias"], before["output.bias"])


@pytest.mark.parametrize("sums", [False, True])
def test_a_lazy_run_goes_on_to_the_bit(sums: bool) -> None:
    texts, chosen = summed(corpus()) if sums else corpus(), settings(lazy_embedding=True, optimizer="adamw")
    chosen_input = SummedEmbeddingInput(size=5) if sums else EmbeddingInput(size=5)
    network, rows = classifier(input=chosen_input), list(batches(6))
    step = NativeStep(network, chosen)
    for i in range(3):
        step.run(texts, rows[i], learning_rate=0.01, step=i)
    twin = classifier(input=chosen_input)
    twin.load_state_dict(network.state_dict())
    further = NativeStep(twin, chosen)
    further.load_tensors({name: tensor.clone() for name, tensor in step.tensors().items()})
    for i in range(3, 6):
        step.run(texts, rows[i], learning_rate=0.01, step=i)
        further.run(texts, rows[i], learning_rate=0.01, step=i)
    assert state_bytes(network) == state_bytes(twin)


@pytest.mark.parametrize("given", [OneHotInput(), EmbeddingInput(size=4, trainable=False)], ids=str)
def test_without_a_trained_table_lazy_changes_nothing(given: OneHotInput | EmbeddingInput) -> None:
    states = []
    for lazy in (False, True):
        network = classifier(input=given)
        step = NativeStep(network, settings(lazy_embedding=lazy))
        step.run(corpus(), np.arange(9), learning_rate=0.01, step=0)
        states.append(state_bytes(network))
    assert states[0] == states[1]


def test_state_of_another_classifier_is_refused() -> None:
    step = NativeStep(classifier(), settings())
    with pytest.raises(TrainingError, match="does not fit"):
        step.load_tensors({"output.kernel/exp_avg": torch.zeros(1, 1)})
    with pytest.raises(TrainingError, match="does not fit"):
        step.load_tensors({"output.kernel/square_avg": torch.zeros(12, C)})


def state_bytes(network: Classifier) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("lazy", [False, True])
def test_the_number_of_threads_changes_no_bit(lazy: bool) -> None:
    layers = (lstm(units=24, bidirectional=True), DropoutLayer(rate=0.3), BatchNormLayer(), lstm(kind="gru", units=40))
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 90, 64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    texts = EncodedCorpus(
        rng.integers(0, V, offsets[-1]).astype(np.int32), offsets, rng.integers(0, C, 64).astype(np.int64)
    )
    before, results = native.thread_count(), []
    try:
        for threads in (1, 2, 8):
            native.set_thread_count(threads)
            network = classifier(input=EmbeddingInput(size=40), layers=layers, pooling="attention")
            step = NativeStep(network, settings(clip_norm=0.01, lazy_embedding=lazy))
            for i in range(3):
                step.run(texts, np.arange(64), learning_rate=0.01, step=i)
            results.append(state_bytes(network))
    finally:
        native.set_thread_count(before)
    assert results[0] == results[1] == results[2]


def test_steps_in_one_call_are_steps_one_by_one() -> None:
    texts, rates = corpus(), [0.1, 0.05, 0.02, 0.01]
    chosen = settings(optimizer="adam", clip_norm=0.5)
    layers = (*LAYERS["bilstm"], DropoutLayer(rate=0.4))
    together, one_by_one = classifier(layers=layers), classifier(layers=layers)
    rows = list(batches(4))
    outcomes = NativeStep(together, chosen).run_for(60.0, texts, rows, learning_rates=rates, step=3)
    step = NativeStep(one_by_one, chosen)
    assert outcomes == [
        step.run(texts, batch, learning_rate=rate, step=3 + i)
        for i, (batch, rate) in enumerate(zip(rows, rates, strict=True))
    ]
    assert state_bytes(together) == state_bytes(one_by_one)
    assert len(NativeStep(together, chosen).run_for(0.0, texts, rows, learning_rates=rates, step=0)) == 1


def test_steps_in_one_call_end_at_a_loss_that_is_not_finite() -> None:
    texts, rows = corpus(), list(np.split(np.arange(40), 5))
    weights = np.ones(60, np.float32)
    weights[20] = np.nan
    texts = EncodedCorpus(texts.token_ids, texts.offsets, texts.class_ids, weights)
    network, finite = classifier(), classifier()
    outcomes = NativeStep(network, settings()).run_for(60.0, texts, rows, learning_rates=[0.1] * 5, step=0)
    assert [np.isfinite(outcome.loss) for outcome in outcomes] == [True, True, False]
    NativeStep(finite, settings()).run_for(60.0, texts, rows[:2], learning_rates=[0.1] * 2, step=0)
    assert state_bytes(network) == state_bytes(finite)


def test_a_loss_that_is_not_finite_changes_nothing() -> None:
    network = classifier()
    network.output.bias.data[0] = float("nan")
    before = state_bytes(network)
    outcome = NativeStep(network, settings()).run(corpus(), np.arange(8), learning_rate=0.1, step=0)
    assert np.isnan(outcome.loss)
    assert state_bytes(network) == before


def test_parameters_stay_the_classifiers_own() -> None:
    network = classifier()
    before = state_bytes(network)
    step = NativeStep(network, settings(optimizer="sgd"))
    assert state_bytes(network) == before
    step.run(corpus(), np.arange(8), learning_rate=0.1, step=0)
    after = state_bytes(network)
    assert after != before
    network.load_state_dict(classifier().state_dict())
    assert state_bytes(network) == before
    step.run(corpus(), np.arange(8), learning_rate=0.1, step=1)
    assert state_bytes(network) == after
    network.double()
    with pytest.raises(TrainingError, match="was moved"):
        step.run(corpus(), np.arange(8), learning_rate=0.1, step=2)


def test_texts_that_do_not_fit_are_refused() -> None:
    step = NativeStep(classifier(), settings())
    beyond = EncodedCorpus(np.array([1, V], np.int32), np.array([0, 2]), np.zeros(1, np.int64))
    with pytest.raises(DataError, match=f"token id {V} is outside the vocabulary of {V}"):
        step.run(beyond, np.arange(1), learning_rate=0.1, step=0)
    raw = NativeStep(classifier(input=RawIdsInput(), pad_to=6), settings())
    with pytest.raises(DataError, match="5 tokens instead of 6"):
        raw.run(corpus(length=5), np.arange(4), learning_rate=0.1, step=0)
    with pytest.raises(DataError, match="only a summed embedding reads texts with word types"):
        step.run(summed(corpus()), np.arange(1), learning_rate=0.1, step=0)
    sums = NativeStep(classifier(input=SummedEmbeddingInput()), settings())
    with pytest.raises(DataError, match="a summed embedding reads texts with word types"):
        sums.run(corpus(), np.arange(1), learning_rate=0.1, step=0)
    unlabelled = EncodedCorpus(beyond.token_ids, beyond.offsets)
    with pytest.raises(TrainingError, match="no labels"):
        step.run(unlabelled, np.arange(1), learning_rate=0.1, step=0)


def test_dropout_is_a_function_of_seed_and_step() -> None:
    layers = (DropoutLayer(rate=0.25), DropoutLayer(rate=0.5))

    def gradient(seed: int, step: int) -> torch.Tensor:
        runner = NativeStep(classifier(layers=layers, pooling="mean"), settings(seed=seed))
        return runner.gradients(corpus(), np.arange(60), step=step)[1]["output.kernel"]

    first = gradient(0, 0)
    assert torch.equal(first, gradient(0, 0))
    assert not torch.equal(first, gradient(0, 1))
    assert not torch.equal(first, gradient(1, 0))


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.9])
def test_dropout_keeps_its_share(rate: float) -> None:
    width, length = 64, 50
    layers = (DropoutLayer(rate=rate),)
    network = classifier(input=EmbeddingInput(size=width), layers=layers, pooling="mean", output="sigmoid")
    network.input.weight.data.fill_(1.0)
    network.output.kernel.data.fill_(0.0)
    step, texts = NativeStep(network, settings()), corpus(labels="sigmoid", length=length)
    # Inputs of 1, dropped and averaged over time; the gradient of the kernel is that of the bias times them.
    gradients = [step.gradients(texts, np.array([row]), step=row)[1] for row in range(60)]
    pooled = torch.stack([g["output.kernel"][:, 0] / g["output.bias"] for g in gradients])
    variance = rate / (1.0 - rate) / length
    assert float(pooled.mean()) == pytest.approx(1.0, abs=5 * np.sqrt(variance / pooled.numel()) + 1e-6)
    assert float(pooled.var()) == pytest.approx(variance, rel=0.15, abs=1e-9)
