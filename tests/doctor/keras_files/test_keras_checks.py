"""Every check of a Keras file: a planted mistake that it must find, and a clean neighbour on which it stays silent."""

import numpy as np
import pytest
from tests.doctor.keras_files.conftest import dense, embedding, layer, lstm, optimizer, padded_ids

from sulsul.doctor.examination import examine_keras
from sulsul.doctor.keras_files import architecture, arrays, outputs

LABELS = np.tile([0, 1], 500)


def only(findings):
    (finding,) = list(findings)
    return finding


@pytest.fixture
def clean(evidence_of):
    rng = np.random.default_rng(5)
    full = rng.integers(3, 50, (1000, 20))
    return evidence_of(
        embedding(mask_zero=True),
        lstm(),
        dense(),
        arrays={
            "x_train": padded_ids(1000), "y_train": rng.permutation(LABELS), "x_test": full, "y_test": LABELS[:1000],
        },
    )  # fmt: skip


def test_a_sound_model_has_no_errors_or_warnings(clean):
    diagnosis = examine_keras(clean)
    assert [finding for finding in diagnosis.findings if finding.severity != "note"] == []
    assert diagnosis.remarks == ()


def test_one_timestep_by_shape_by_array_and_by_reshaping(evidence_of, clean):
    model = (lstm(), dense())
    by_shape = evidence_of(*model, input_shape=(None, 1, 888))
    assert only(architecture.find_single_timestep(by_shape)).evidence["shape_to_use"] == "(batch, 888)"
    x = padded_ids()[:, None, :].astype(np.float32)
    by_array = evidence_of(*model, input_shape=(None, None, None), arrays={"x": x})
    assert "one timestep of 20 features" in only(architecture.find_single_timestep(by_array)).what
    reshaped = evidence_of(layer("Reshape", target_shape=[1, 20]), *model)
    assert only(architecture.find_single_timestep(reshaped)).severity == "error"
    assert list(architecture.find_single_timestep(evidence_of(*model, input_shape=(None, 100, 300)))) == []
    assert list(architecture.find_single_timestep(clean)) == []


def test_ids_as_numbers(evidence_of, clean):
    x = padded_ids()[:, :, None].astype(np.float32)
    found = only(architecture.find_ids_as_numbers(evidence_of(lstm(), dense(), arrays={"x": x})))
    assert "(batch, 20, 1)" in found.what
    one_hot = np.eye(50, dtype=np.float32)[padded_ids()]
    assert list(architecture.find_ids_as_numbers(evidence_of(lstm(), dense(), arrays={"x": one_hot}))) == []
    assert list(architecture.find_ids_as_numbers(clean)) == []


def test_ids_beyond_the_embedding(evidence_of, clean):
    evidence = evidence_of(embedding(40), lstm(), dense(), arrays={"x_train": padded_ids()})
    assert only(arrays.find_ids_beyond_the_table(evidence)).evidence["input_dim"] == 40
    assert list(arrays.find_ids_beyond_the_table(clean)) == []


@pytest.mark.parametrize(("behind", "severity"), [(True, "error"), (False, "warning")])
def test_unmasked_padding(evidence_of, clean, behind, severity):
    ids = padded_ids(behind=behind)
    evidence = evidence_of(embedding(), lstm(), dense(), arrays={"x_train": ids})
    assert only(architecture.find_unmasked_padding(evidence)).severity == severity
    assert list(architecture.find_unmasked_padding(clean)) == []
    full = evidence_of(embedding(), lstm(), dense(), arrays={"x_train": padded_ids(words=20)})
    assert list(architecture.find_unmasked_padding(full)) == []


def test_one_hot_padding_is_seen_too(evidence_of):
    one_hot = np.eye(50, dtype=np.float32)[padded_ids()]
    evidence = evidence_of(lstm(), dense(), input_shape=(None, 20, 50), arrays={"x_train": one_hot})
    assert only(architecture.find_unmasked_padding(evidence)).severity == "error"
    masked = evidence_of(layer("Masking", mask_value=0.0), lstm(), dense(), arrays={"x_train": one_hot})
    assert list(architecture.find_unmasked_padding(masked)) == []


def test_a_mask_that_is_lost_on_the_way(evidence_of):
    lost = (embedding(mask_zero=True), layer("Conv1D", filters=8), lstm(), dense())
    evidence = evidence_of(*lost, arrays={"x_train": padded_ids()})
    assert only(architecture.find_unmasked_padding(evidence)).severity == "error"


def test_a_fixed_length_without_a_mask_and_without_arrays(evidence_of):
    assert only(architecture.find_unmasked_padding(evidence_of(embedding(), lstm(), dense()))).severity == "warning"
    free = evidence_of(embedding(), lstm(), dense(), input_shape=(None, None))
    assert list(architecture.find_unmasked_padding(free)) == []


def test_padding_share(evidence_of, clean):
    evidence = evidence_of(embedding(mask_zero=True), lstm(), dense(), arrays={"x_train": padded_ids(words=4)})
    assert only(architecture.find_padding_share(evidence)).evidence["share"] == pytest.approx(0.8)
    assert list(architecture.find_padding_share(clean)) == []


def test_zeros_between_words_are_no_padding(evidence_of):
    ids = padded_ids(words=20)
    ids[:, 3:17] = 0
    evidence = evidence_of(embedding(), lstm(), dense(), arrays={"x_train": ids})
    assert evidence.padding.share == 0.0


def test_normalised_and_pooled_padding(evidence_of, clean):
    between = (lstm(return_sequences=True), layer("BatchNormalization"), lstm(), dense())
    ids = {"x_train": padded_ids()}
    assert list(architecture.find_normalised_padding(evidence_of(embedding(), *between, arrays=ids)))
    assert (
        list(architecture.find_normalised_padding(evidence_of(embedding(mask_zero=True), *between, arrays=ids))) == []
    )
    pooled = (lstm(return_sequences=True), layer("GlobalAveragePooling1D"), dense())
    assert only(architecture.find_pooled_padding(evidence_of(embedding(), *pooled, arrays=ids))).check == "padding-row"
    assert list(architecture.find_pooled_padding(evidence_of(embedding(mask_zero=True), *pooled, arrays=ids))) == []
    assert list(architecture.find_normalised_padding(clean)) == []
    assert list(architecture.find_pooled_padding(clean)) == []


def test_an_output_per_timestep(evidence_of, clean):
    evidence = evidence_of(embedding(), lstm(return_sequences=True), layer("Dropout", rate=0.5), dense())
    assert only(architecture.find_sequence_output(evidence)).severity == "error"
    pooled = evidence_of(embedding(), lstm(return_sequences=True), layer("GlobalMaxPooling1D"), dense())
    assert list(architecture.find_sequence_output(pooled)) == []
    assert list(architecture.find_sequence_output(clean)) == []


def test_relu_recurrence(evidence_of, clean):
    relu = layer("Bidirectional", inner=layer("LSTM", units=8, activation="relu"))
    assert only(architecture.find_relu_recurrence(evidence_of(embedding(), relu, dense()))).evidence["kinds"] == [
        "LSTM"
    ]
    clipped = evidence_of(embedding(), relu, dense(), optimizer=optimizer(clipnorm=1.0))
    assert list(architecture.find_relu_recurrence(clipped)) == []
    assert list(architecture.find_relu_recurrence(clean)) == []


def test_softmax_of_one_unit(evidence_of, clean):
    assert only(outputs.find_softmax_of_one(evidence_of(lstm(), dense(1, "softmax")))).severity == "error"
    separate = evidence_of(lstm(), dense(1, "linear"), layer("Activation", activation="softmax"))
    assert only(outputs.find_softmax_of_one(separate)).severity == "error"
    assert list(outputs.find_softmax_of_one(evidence_of(lstm(), dense(2, "softmax")))) == []
    assert list(outputs.find_softmax_of_one(clean)) == []


@pytest.mark.parametrize(
    ("units", "activation", "loss", "severity"),
    [
        (3, "sigmoid", "categorical_crossentropy", "error"),
        (1, "sigmoid", "sparse_categorical_crossentropy", "error"),
        (3, "softmax", "binary_crossentropy", "warning"),
        (3, "relu", "mse", "error"),
        (1, "sigmoid", "mse", "warning"),
        (1, "sigmoid", "binary_crossentropy", None),
        (3, "softmax", "sparse_categorical_crossentropy", None),
        (3, "sigmoid", "binary_crossentropy", None),
    ],
)
def test_output_and_loss(evidence_of, units, activation, loss, severity):
    found = list(outputs.find_unfit_loss(evidence_of(lstm(), dense(units, activation), loss=loss)))
    assert [finding.severity for finding in found] == ([severity] if severity else [])


def test_softmax_over_label_sets(evidence_of):
    sets = {"x_train": padded_ids(), "y_train": np.tile([1, 1, 0], (40, 1))}
    evidence = evidence_of(
        embedding(mask_zero=True), lstm(), dense(3, "softmax"), loss="categorical_crossentropy", arrays=sets
    )
    assert "several labels" in only(outputs.find_unfit_loss(evidence)).what


@pytest.mark.parametrize(
    ("units", "loss", "labels", "found"),
    [
        (3, "categorical_crossentropy", np.arange(40) % 3, True),
        (3, "sparse_categorical_crossentropy", np.eye(3)[np.arange(40) % 3], True),
        (3, "sparse_categorical_crossentropy", np.arange(40) % 4, True),
        (3, "sparse_categorical_crossentropy", np.arange(40) % 3 + 1, True),
        (1, "binary_crossentropy", np.arange(40) % 3, True),
        (1, "binary_crossentropy", np.arange(40) % 2 * 2 - 1, True),
        (4, "categorical_crossentropy", np.eye(3)[np.arange(40) % 3], True),
        (3, "binary_crossentropy", np.arange(40) % 3, True),
        (3, "categorical_crossentropy", np.eye(3)[np.arange(40) % 3], False),
        (3, "sparse_categorical_crossentropy", np.arange(40) % 3, False),
        (1, "binary_crossentropy", (np.arange(40) % 2)[:, None], False),
        (3, "binary_crossentropy", np.eye(3)[np.arange(40) % 3], False),
    ],
)
def test_labels_and_loss(evidence_of, units, loss, labels, found):
    evidence = evidence_of(
        embedding(), lstm(), dense(units), loss=loss, arrays={"x_train": padded_ids(), "y_train": labels}
    )
    assert bool(list(outputs.find_labels_unfit_for_loss(evidence))) == found


@pytest.mark.parametrize(
    ("activation", "from_logits", "found"),
    [("softmax", True, True), ("linear", False, True), ("linear", True, False), ("softmax", False, False)],
)
def test_logits_mistaken_for_probabilities(evidence_of, activation, from_logits, found):
    loss = {"class_name": "SparseCategoricalCrossentropy", "config": {"from_logits": from_logits}}
    evidence = evidence_of(lstm(), dense(3, activation), loss=loss)
    assert bool(list(outputs.find_logits_mistaken(evidence))) == found


@pytest.mark.parametrize(("name", "rate", "found"), [("Adam", 0.1, True), ("Adam", 1e-3, False), ("SGD", 0.1, False)])
def test_learning_rates(evidence_of, name, rate, found):
    evidence = evidence_of(lstm(), dense(), optimizer=optimizer(name, rate))
    assert bool(list(outputs.find_unlikely_learning_rate(evidence))) == found


def test_unknown_ids(evidence_of, clean):
    ids = padded_ids()
    ids[:, 0] = 1
    assert list(arrays.find_unknown_ids(evidence_of(embedding(), lstm(), dense(), arrays={"x_train": ids}))) == []
    ids[:, 2:6] = 2
    found = only(arrays.find_unknown_ids(evidence_of(embedding(), lstm(), dense(), arrays={"x_train": ids})))
    assert found.evidence["share"] == pytest.approx(4 / 12, abs=1e-4)
    assert list(arrays.find_unknown_ids(clean)) == []


def test_copied_arrays_and_duplicates(evidence_of, clean):
    train, other = padded_ids(60), padded_ids(60, seed=9)
    model = (embedding(mask_zero=True), lstm(), dense())
    copied = evidence_of(*model, arrays={"x_train": train, "x_val": train[:30], "x_test": other})
    assert only(arrays.find_copied_splits(copied)).check == "validation-copied"
    same = evidence_of(*model, arrays={"x_train": train, "x_val": other, "x_test": other})
    assert only(arrays.find_copied_splits(same)).check == "test-as-validation"
    some = evidence_of(*model, arrays={"x_train": train, "x_test": np.concatenate([train[:6], other])})
    assert only(arrays.find_duplicates(some)).evidence["test_share"] == pytest.approx(6 / 66, abs=1e-4)
    assert list(arrays.find_copied_splits(some)) == []
    assert list(arrays.find_copied_splits(clean)) == list(arrays.find_duplicates(clean)) == []


def test_sorted_labels(evidence_of, clean):
    sorted_labels = np.repeat([0, 1], 100)
    ids = padded_ids(200)
    model = (embedding(mask_zero=True), lstm(), dense())
    alone = evidence_of(*model, arrays={"x_train": ids, "y_train": sorted_labels})
    assert only(arrays.find_sorted_labels(alone)).severity == "warning"
    given = evidence_of(*model, arrays={"x_train": ids, "y_train": sorted_labels, "x_val": padded_ids(9, seed=4)})
    assert only(arrays.find_sorted_labels(given)).severity == "note"
    assert list(arrays.find_sorted_labels(clean)) == []


def test_small_test_arrays(evidence_of):
    model = (embedding(mask_zero=True), lstm(), dense())
    small = evidence_of(*model, arrays={"x_train": padded_ids(), "x_test": padded_ids(30)})
    assert only(arrays.find_small_evaluation(small)).severity == "warning"
    large = evidence_of(*model, arrays={"x_train": padded_ids(), "x_test": padded_ids(5000)})
    assert list(arrays.find_small_evaluation(large)) == []


@pytest.mark.shared_data
def test_the_archive_that_keras_itself_ships(evidence_of, shared_data):
    from sulsul.doctor.keras_files.evidence import KerasEvidence
    from sulsul.doctor.keras_files.inputs import read_inputs

    model = evidence_of(embedding(400), lstm(), dense()).model
    found = {
        finding.check: finding
        for finding in examine_keras(KerasEvidence(model, read_inputs(shared_data / "keras-imdb-500.npz"))).findings
    }
    assert found["token-ids"].evidence["largest_id"] == 499
    assert found["out-of-vocabulary"].evidence["share"] == pytest.approx(0.31, abs=0.01)
