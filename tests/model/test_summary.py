"""Parameter counts and tables of the notebooks' networks, as Keras printed them."""

import pytest

from sulsul.model.classifier import Classifier
from sulsul.model.specification import ModelSpecification
from sulsul.model.summary import Summary, summarise

SIMPLE = {"kind": "simple-rnn", "units": 8}
SEOUL = {"kind": "embedding", "size": 64}


def birnn(units: int) -> dict[str, object]:
    return {"kind": "simple-rnn", "units": units, "bidirectional": True}


def make(n_classes: int = 3, vocabulary_size: int = 1000, pad_to: int | None = None, **value: object) -> Summary:
    specification = ModelSpecification.model_validate({"pooling": "last", **value})
    classifier = Classifier(
        specification, vocabulary_size=vocabulary_size, n_classes=n_classes, pad_to=pad_to, backend="torch"
    )
    return summarise(classifier)


BILSTM = {"kind": "lstm", "units": 64, "bidirectional": True}
BIGRU = {"kind": "gru", "units": 64, "bidirectional": True}
DENSE = {"kind": "dense", "units": 16}


@pytest.mark.parametrize(
    ("summary", "n_parameters"),
    [
        (make(2, 300, input={"kind": "one-hot"}, layers=[SIMPLE]), 2_481),
        (make(2, 300, input={"kind": "embedding", "size": 16}, layers=[SIMPLE]), 5_009),
        (make(input=SEOUL, layers=[birnn(64), birnn(64), {"kind": "simple-rnn", "units": 64}]), 117_763),
        (make(input=SEOUL, layers=[BILSTM] * 3, head=[DENSE]), 329_795),
        (make(input=SEOUL, layers=[BIGRU] * 2, head=[DENSE]), 190_531),
    ],
)
def test_parameter_counts_of_the_notebooks(summary: Summary, n_parameters: int) -> None:
    assert summary.n_parameters == summary.n_trainable == n_parameters
    assert sum(row.n_parameters for row in summary.rows) == n_parameters
    assert summary.size_bytes == 4 * n_parameters


def test_rows_are_keras_rows() -> None:
    summary = make(
        pad_to=500,
        input=SEOUL,
        layers=[BILSTM, {"kind": "batch-norm"}, {**BILSTM, "units": 32}],
        head=[{"kind": "dropout", "rate": 0.2}, DENSE],
    )
    rows = [(row.name, row.layer_class, row.output_shape, row.n_parameters) for row in summary.rows]
    assert rows == [
        ("embedding", "Embedding", (None, 500, 64), 64_000),
        ("bidirectional", "Bidirectional", (None, 500, 128), 66_048),
        ("batch_normalization", "BatchNormalization", (None, 500, 128), 512),
        ("bidirectional_1", "Bidirectional", (None, 64), 41_216),
        ("dropout", "Dropout", (None, 64), 0),
        ("dense", "Dense", (None, 16), 1_040),
        ("dense_1", "Dense", (None, 3), 51),
    ]
    assert summary.n_non_trainable == 256


def test_a_pooling_is_a_row_unless_a_recurrent_layer_returns_its_last_state() -> None:
    pooled = make(input=SEOUL, layers=[SIMPLE], pooling="attention").rows[2]
    assert (pooled.layer_class, pooled.output_shape, pooled.n_parameters) == ("AttentionPooling", (None, 8), 8)
    after_dropout = make(input=SEOUL, layers=[SIMPLE, {"kind": "dropout", "rate": 0.1}]).rows
    assert [row.layer_class for row in after_dropout] == ["Embedding", "SimpleRNN", "Dropout", "LastTimestep", "Dense"]


def test_raw_ids_are_one_timestep() -> None:
    rows = make(2, pad_to=888, input={"kind": "raw-ids"}, layers=[{"kind": "lstm", "units": 100}]).rows
    assert rows[0].output_shape == (None, 1, 888)
    assert rows[1].n_parameters == 4 * 100 * (888 + 100 + 1)


def test_a_frozen_embedding_is_not_trainable() -> None:
    summary = make(input={**SEOUL, "trainable": False}, layers=[SIMPLE])
    assert summary.n_non_trainable == 64_000


def test_rendered() -> None:
    text = make(input=SEOUL, layers=[birnn(64), birnn(64), {"kind": "simple-rnn", "units": 64}]).render()
    assert text.splitlines() == [
        "Layer (type)                     Output Shape       Param #",
        "-----------------------------------------------------------",
        "embedding (Embedding)            (None, None, 64)    64,000",
        "bidirectional (Bidirectional)    (None, None, 128)   16,512",
        "bidirectional_1 (Bidirectional)  (None, None, 128)   24,704",
        "simple_rnn (SimpleRNN)           (None, 64)          12,352",
        "dense (Dense)                    (None, 3)              195",
        "-----------------------------------------------------------",
        "Total params: 117,763 (460.01 KB)",
        "Trainable params: 117,763",
        "Non-trainable params: 0",
        "Recurrence backend: torch",
    ]


def test_without_a_recurrent_layer_there_is_no_backend() -> None:
    assert make(input=SEOUL, layers=[], pooling="mean").backend == "none"
