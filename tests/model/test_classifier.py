import numpy as np
import pytest
import torch
from tests.tolerances import FLOAT64_REORDERED

from sulsul.errors import DataError, SpecificationError
from sulsul.model.classifier import Classifier
from sulsul.model.packed_batch import PackedBatch
from sulsul.model.specification import ModelSpecification

SEQUENCES = [[1, 2, 3], [], [4], [5, 6, 7, 8], [2]]
LSTM = {"kind": "lstm", "units": 4, "bidirectional": True}
GRU = {"kind": "gru", "units": 3}


def make(n_classes: int = 3, *, seed: int = 0, multi_label: bool = False, **value: object) -> Classifier:
    specification = ModelSpecification.model_validate({"input": {"kind": "embedding", "size": 5}, **value})
    return Classifier(
        specification, vocabulary_size=10, n_classes=n_classes, multi_label=multi_label, seed=seed, backend="torch"
    )


def test_names_and_shapes_that_a_saved_classifier_relies_on() -> None:
    classifier = make(
        layers=[LSTM, {"kind": "batch-norm"}, {"kind": "dropout", "rate": 0.1}, GRU],
        pooling="attention",
        head=[{"kind": "dense", "units": 6}, {"kind": "dropout", "rate": 0.1}, {"kind": "dense", "units": 2}],
    )
    assert {name: tuple(tensor.shape) for name, tensor in classifier.state_dict().items()} == {
        "input.weight": (10, 5),
        "layers.0.forward_direction.kernel": (5, 16),
        "layers.0.forward_direction.recurrent_kernel": (4, 16),
        "layers.0.forward_direction.bias": (16,),
        "layers.0.backward_direction.kernel": (5, 16),
        "layers.0.backward_direction.recurrent_kernel": (4, 16),
        "layers.0.backward_direction.bias": (16,),
        "layers.1.gamma": (8,),
        "layers.1.beta": (8,),
        "layers.1.moving_mean": (8,),
        "layers.1.moving_variance": (8,),
        "layers.3.forward_direction.kernel": (8, 9),
        "layers.3.forward_direction.recurrent_kernel": (3, 9),
        "layers.3.forward_direction.bias": (2, 9),
        "pooling.query": (3,),
        "head.0.kernel": (3, 6),
        "head.0.bias": (6,),
        "head.2.kernel": (6, 2),
        "head.2.bias": (2,),
        "output.kernel": (2, 3),
        "output.bias": (3,),
    }


def test_a_one_hot_input_has_no_table() -> None:
    classifier = make(input={"kind": "one-hot"}, layers=[GRU])
    assert "input.weight" not in classifier.state_dict()
    assert classifier.state_dict()["layers.0.forward_direction.kernel"].shape == (10, 9)


NETWORKS = [
    {"layers": [LSTM, GRU], "pooling": "last"},
    {"layers": [GRU, LSTM, {"kind": "batch-norm"}], "pooling": "last"},
    {"layers": [{"kind": "dropout", "rate": 0.5}, GRU], "pooling": "max"},
    {"layers": [], "pooling": "mean"},
    {"layers": [], "pooling": "last"},
    {"layers": [LSTM], "pooling": "attention", "head": [{"kind": "dense", "units": 4, "activation": "tanh"}]},
    {"input": {"kind": "one-hot"}, "layers": [LSTM], "pooling": "mean"},
]


@pytest.mark.parametrize("value", NETWORKS)
def test_a_text_alone_gets_the_logits_it_gets_among_neighbours(value: dict[str, object]) -> None:
    classifier = make(**value).double().eval()
    together = classifier(PackedBatch.from_sequences(SEQUENCES))
    assert together.shape == (5, 3)
    for logits, sequence in zip(together, SEQUENCES, strict=True):
        alone = classifier(PackedBatch.from_sequences([sequence]))[0]
        torch.testing.assert_close(logits, alone, rtol=0, atol=FLOAT64_REORDERED)


@pytest.mark.parametrize("value", NETWORKS)
def test_every_parameter_gets_a_gradient(value: dict[str, object]) -> None:
    classifier = make(**value)
    logits = classifier(PackedBatch.from_sequences(SEQUENCES))
    classifier.loss(logits, torch.tensor([0, 1, 2, 0, 1])).backward()
    for name, parameter in classifier.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("value", NETWORKS)
def test_only_empty_texts(value: dict[str, object]) -> None:
    classifier = make(**value)
    logits = classifier(PackedBatch.from_sequences([[], []]))
    assert torch.equal(logits[0], logits[1])
    classifier.loss(logits, torch.tensor([0, 1])).backward()
    assert classifier.output.bias.grad is not None


def test_the_last_state_is_what_torch_calls_the_final_state() -> None:
    classifier = make(layers=[LSTM], pooling="last").double()
    batch = PackedBatch.from_sequences([[1, 2, 3], [4, 5]])
    inputs, _ = classifier.input(batch)
    hidden = classifier.encode(inputs, batch)
    pooled = classifier.pooling(hidden, batch)
    assert torch.equal(pooled[1, :4], hidden[3, :4])  # rows: t0 of both, t1 of both, t2 of the longer
    assert torch.equal(pooled[1, 4:], hidden[1, 4:])
    assert torch.equal(pooled[0, :4], hidden[4, :4])
    assert torch.equal(pooled[0, 4:], hidden[0, 4:])


def test_one_seed_gives_one_network() -> None:
    first, again, other = (make(layers=[LSTM], seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["input.weight"], other["input.weight"])


def test_the_global_generator_is_left_alone_by_building() -> None:
    before = torch.get_rng_state()
    make(layers=[LSTM], pooling="attention")
    assert torch.equal(before, torch.get_rng_state())


def test_dropout_repeats_with_torchs_seed_and_stops_in_evaluation() -> None:
    classifier = make(layers=[GRU, {"kind": "dropout", "rate": 0.5}])
    batch = PackedBatch.from_sequences(SEQUENCES)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(classifier(batch))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    classifier.eval()
    assert torch.equal(classifier(batch), classifier(batch))


def test_probabilities_of_each_output() -> None:
    batch = PackedBatch.from_sequences(SEQUENCES)
    for classifier, n_logits in ((make(2), 1), (make(3), 3), (make(3, multi_label=True), 3)):
        logits = classifier(batch)
        assert logits.shape == (5, n_logits)
        probabilities = classifier.probabilities(logits)
        assert probabilities.shape == (5, classifier.n_classes)
        if not classifier.multi_label:
            np.testing.assert_allclose(probabilities.sum(1).detach(), 1.0, rtol=1e-6)


def test_a_frozen_table_and_given_vectors() -> None:
    vectors = np.arange(50, dtype=np.float32).reshape(10, 5)
    specification = ModelSpecification.model_validate({"input": {"kind": "embedding", "size": 5, "trainable": False}})
    classifier = Classifier(specification, vocabulary_size=10, n_classes=2, vectors=vectors)
    assert np.array_equal(classifier.state_dict()["input.weight"], vectors)
    classifier(PackedBatch.from_sequences(SEQUENCES)).sum().backward()
    assert classifier.get_parameter("input.weight").grad is None


def test_a_gradient_reaches_embedded_tokens() -> None:
    classifier = make(layers=[LSTM])
    batch = PackedBatch.from_sequences(SEQUENCES)
    rows = classifier.get_parameter("input.weight").detach()[batch.token_ids].requires_grad_()
    logits = classifier.forward_from_inputs(rows, batch)
    torch.testing.assert_close(logits, classifier(batch))
    logits.sum().backward()
    assert rows.grad is not None


def test_raw_ids() -> None:
    specification = ModelSpecification.model_validate(
        {
            "input": {"kind": "raw-ids"},
            "layers": [{"kind": "lstm", "units": 4, "activation": "relu"}],
            "pooling": "last",
        }
    )
    classifier = Classifier(specification, vocabulary_size=10, n_classes=2, pad_to=3)
    logits = classifier.double()(PackedBatch.from_sequences([[1, 2, 3], [4, 5, 0]]))
    assert logits.shape == (2, 1)
    assert classifier.state_dict()["layers.0.forward_direction.kernel"].shape == (3, 16)


@pytest.mark.parametrize(
    ("value", "options", "words"),
    [
        ({"input": {"kind": "raw-ids"}}, {}, r"raw-ids.*pad_to"),
        ({"output": "sigmoid"}, {"n_classes": 3}, "sigmoid.*softmax"),
        ({"input": {"kind": "one-hot"}}, {"vectors": np.zeros((10, 10))}, "one-hot.*vectors"),
        ({"input": {"kind": "embedding", "size": 4}}, {"vectors": np.zeros((10, 5))}, r"\(10, 5\)"),
    ],
)
def test_impossible_networks(value: dict[str, object], options: dict[str, object], words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        Classifier(ModelSpecification.model_validate(value), **{"vocabulary_size": 10, "n_classes": 2, **options})


@pytest.mark.parametrize("value", [{"layers": [GRU]}, {"layers": []}, {"input": {"kind": "one-hot"}, "layers": [LSTM]}])
@pytest.mark.parametrize("token_id", [10, -1])
def test_ids_outside_the_vocabulary(value: dict[str, object], token_id: int) -> None:
    with pytest.raises(DataError, match=rf"{token_id}.*ids 0 to 9"):
        make(**value)(PackedBatch.from_sequences([[5, token_id]]))
