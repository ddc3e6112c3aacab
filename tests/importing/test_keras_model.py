"""Importing what Keras saves: every layer that can be, compared with Keras's own answers."""

import json
import warnings

import numpy as np
import pytest
from tests.keras_models import answer_in_this_process, import_keras, randomise, rewrite_description, save

from sulsul.errors import BundleError, DataError, OutputError, SulsulError, UsageError
from sulsul.importing import import_keras as import_file
from sulsul.importing.vocabulary import read_vocabulary
from sulsul.predictor import Predictor


@pytest.fixture(scope="module")
def layers():
    return import_keras().layers


@pytest.fixture(autouse=True)
def in_process(monkeypatch):
    monkeypatch.setattr("sulsul.importing.comparison.logits_in_keras", answer_in_this_process)


def sequential(*parts, shape=(None,)):
    keras = import_keras()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not support masking.*")
        return randomise(keras.Sequential([keras.layers.Input(shape), *parts]))


def functional(make, shape=(None,)):
    keras = import_keras()
    inputs = keras.layers.Input(shape)
    return randomise(keras.Model(inputs, make(inputs)))


NETWORKS = {
    "lstm": lambda L: [L.Embedding(40, 6, mask_zero=True), L.LSTM(5), L.Dense(1, activation="sigmoid")],
    "unmasked": lambda L: [L.Embedding(40, 6), L.LSTM(5, activation="relu"), L.Dense(1, activation="sigmoid")],
    "gru": lambda L: [L.Embedding(40, 6, mask_zero=True), L.GRU(5), L.Dense(3, activation="softmax")],
    "old gru": lambda L: [L.Embedding(40, 6), L.GRU(5, reset_after=False), L.Dense(3), L.Softmax()],
    "no biases": lambda L: [
        L.Embedding(40, 6),
        L.GRU(5, use_bias=False, return_sequences=True),
        L.SimpleRNN(4, use_bias=False, activation="relu"),
        L.Dense(3, use_bias=False),
        L.Activation("softmax"),
    ],
    "everything": lambda L: [
        L.Embedding(40, 6, mask_zero=True),
        L.SpatialDropout1D(0.2),
        L.Bidirectional(L.LSTM(5, return_sequences=True, dropout=0.1)),
        L.BatchNormalization(),
        L.Dropout(0.5),
        L.Bidirectional(L.SimpleRNN(4)),
        L.BatchNormalization(scale=False),
        L.Dense(7, activation="relu"),
        L.BatchNormalization(),
        L.Dropout(0.1),
        L.BatchNormalization(center=False),
        L.Dense(3, activation="sigmoid"),
    ],
    "mean": lambda L: [
        L.Embedding(40, 6, mask_zero=True),
        L.Bidirectional(L.GRU(5, return_sequences=True)),
        L.GlobalAveragePooling1D(),
        L.Dense(4, activation="tanh"),
        L.Dense(1),
    ],
    "max": lambda L: [
        L.Embedding(40, 6, mask_zero=True),
        L.Bidirectional(L.LSTM(5, return_sequences=True)),
        L.GlobalMaxPooling1D(),
        L.Dense(2, activation="softmax"),
    ],
    "no recurrence": lambda L: [L.Embedding(40, 6), L.GlobalAveragePooling1D(), L.Dense(2, activation="softmax")],
}


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_those_of_keras(layers, tmp_path, name, suffix):
    path = save(sequential(*NETWORKS[name](layers)), tmp_path / f"m.{suffix}")
    report = import_file(path, tmp_path / "run")
    assert report.comparison.max_abs_error < 1e-5
    assert "copy" not in report.comparison.said
    loaded = Predictor.load(tmp_path / "run")
    assert loaded.probabilities(["3 4 5", "7"]).shape == (2, len(report.bundle.labels.classes))


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_functional_chain(layers, tmp_path, suffix):
    def make(inputs):
        hidden = layers.Embedding(40, 6, mask_zero=True)(inputs)
        hidden = layers.Bidirectional(layers.GRU(5, return_sequences=True))(hidden)
        return layers.Dense(2, activation="softmax")(layers.LSTM(4)(hidden))

    report = import_file(save(functional(make), tmp_path / f"m.{suffix}"), tmp_path / "run")
    assert report.comparison.max_abs_error < 1e-5
    assert report.bundle.tokenizer.settings.reserved == ("pad",)


def test_one_hot_rows(layers, tmp_path):
    model = sequential(layers.SimpleRNN(5), layers.Dense(1, activation="sigmoid"), shape=(12, 30))
    report = import_file(save(model, tmp_path / "m.keras"), tmp_path / "run")
    assert report.bundle.specification.model.input.kind == "one-hot"
    assert report.bundle.classifier.vocabulary_size == 30
    assert report.comparison.max_abs_error < 1e-5


def test_masked_ids_are_left_out_and_other_zeros_are_read(layers, tmp_path):
    masked = import_file(save(sequential(*NETWORKS["lstm"](layers)), tmp_path / "a.keras"), tmp_path / "a")
    ours = Predictor(masked.bundle)
    np.testing.assert_array_equal(ours.probabilities(["0 0 3 0 4"]), ours.probabilities(["3 4 0"]))
    plain = import_file(save(sequential(*NETWORKS["unmasked"](layers)), tmp_path / "b.keras"), tmp_path / "b")
    ours = Predictor(plain.bundle)
    assert not np.allclose(ours.probabilities(["0 0 3 4"]), ours.probabilities(["3 4"]))
    for text in ("great film", "3 40", "-1"):
        with pytest.raises(SulsulError, match="no token id of this classifier, which reads ids from 0 to 39"):
            ours.predict([text])


def test_keys_of_old_versions(layers, tmp_path):
    """time_major, implementation and the like, which this Keras no longer knows (keras#20750)."""
    path = save(sequential(*NETWORKS["gru"](layers)), tmp_path / "m.h5")

    def age(config):
        for layer in config["config"]["layers"]:
            settings = layer["config"]
            for key in ("module", "registered_name", "build_config"):
                layer.pop(key, None)
            if layer["class_name"] == "GRU":
                settings |= {"time_major": False, "implementation": 2, "dtype": "float32"}
                settings["kernel_initializer"] = {"class_name": "VarianceScaling", "config": {"scale": 1.0}}

    report = import_file(rewrite_description(path, age), tmp_path / "run")
    assert report.comparison.max_abs_error < 1e-5
    rewrite_description(path, lambda config: config["config"]["layers"][2]["config"].update(time_major=True))
    with pytest.raises(BundleError, match="time_major=True"):
        import_file(path, tmp_path / "other")


REFUSED = {
    "Conv1D": lambda L: [L.Embedding(40, 6), L.Conv1D(3, 2), L.GlobalMaxPooling1D(), L.Dense(1)],
    "Flatten": lambda L: [L.Embedding(40, 6), L.Flatten(), L.Dense(1)],
    "stateful": lambda L: [L.Embedding(40, 6), L.LSTM(3, go_backwards=True), L.Dense(1)],
    "hard_sigmoid": lambda L: [L.Embedding(40, 6), L.LSTM(3, recurrent_activation="hard_sigmoid"), L.Dense(1)],
    "'elu'": lambda L: [L.Embedding(40, 6), L.LSTM(3, activation="elu"), L.Dense(1)],
    "only 'concat'": lambda L: [L.Embedding(40, 6), L.Bidirectional(L.LSTM(3), merge_mode="sum"), L.Dense(1)],
    "every timestep": lambda L: [L.Embedding(40, 6), L.LSTM(3, return_sequences=True), L.Dense(1)],
    "'gelu'": lambda L: [L.Embedding(40, 6), L.LSTM(3), L.Dense(4, activation="gelu"), L.Dense(1)],
    "always 1": lambda L: [L.Embedding(40, 6), L.LSTM(3), L.Dense(1, activation="softmax")],
    "ends the model": lambda L: [L.Embedding(40, 6), L.LSTM(3)],
    "Reshape": lambda L: [L.Reshape((1, 8)), L.LSTM(3), L.Dense(1)],
    "reads the input": lambda L: [L.Dense(4), L.Dense(1)],
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_expressed_is_named(layers, tmp_path, message):
    model = sequential(*REFUSED[message](layers), shape=(8,))
    expected = "go_backwards=True" if message == "stateful" else message
    with pytest.raises(BundleError, match=expected):
        import_file(save(model, tmp_path / "m.keras"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_branches_are_refused(layers, tmp_path):
    def make(inputs):
        hidden = layers.Embedding(40, 6)(inputs)
        both = layers.Concatenate()([layers.LSTM(3)(hidden), layers.GRU(3)(hidden)])
        return layers.Dense(1)(both)

    for suffix in ("keras", "h5"):
        with pytest.raises(BundleError, match="only a chain"):
            import_file(save(functional(make), tmp_path / f"m.{suffix}"), tmp_path / "run")


def test_one_timestep_of_features_is_refused(layers, tmp_path):
    model = sequential(layers.LSTM(3), layers.Dense(1), shape=(1, 50))
    with pytest.raises(BundleError, match="nothing recurs"):
        import_file(save(model, tmp_path / "m.keras"), tmp_path / "run")


@pytest.fixture
def model_file(layers, tmp_path):
    return save(sequential(*NETWORKS["gru"](layers)), tmp_path / "m.keras")


def test_classes_and_folders(model_file, tmp_path):
    report = import_file(model_file, tmp_path / "run", classes=["가", "나", "다"])
    assert report.bundle.labels.classes == ("가", "나", "다")
    with pytest.raises(OutputError, match="already holds"):
        import_file(model_file, tmp_path / "run")
    with pytest.raises(UsageError, match="tells 3 apart"):
        import_file(model_file, tmp_path / "other", classes=["a", "b"])
    with pytest.raises(UsageError, match="masks padding"):
        import_file(model_file, tmp_path / "other", pad_to=9)


def test_without_keras_the_import_says_so(model_file, tmp_path, monkeypatch):
    monkeypatch.setattr("sulsul.importing.comparison.keras_version", lambda: None)
    report = import_file(model_file, tmp_path / "run")
    assert report.comparison.max_abs_error is None
    assert "not installed" in report.comparison.said


def test_a_difference_is_refused(model_file, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "sulsul.importing.comparison.logits_in_keras", lambda path, ids: answer_in_this_process(path, ids) + 1e-3
    )
    with pytest.raises(BundleError, match=r"a logit differs by 1\.0e-03"):
        import_file(model_file, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_vocabulary_of_a_keras_tokenizer(model_file, tmp_path):
    index = {"<OOV>": 1, **{f"w{k}": k for k in range(2, 90)}}
    config = {"num_words": 30, "filters": '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', "lower": True, "split": " ",
              "char_level": False, "oov_token": "<OOV>", "word_index": json.dumps(index)}  # fmt: skip
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(json.dumps({"class_name": "Tokenizer", "config": config})))
    report = import_file(model_file, tmp_path / "run", vocabulary=file)
    assert report.bundle.tokenizer.encode(["w2, W29 w30 zzz"])[0].tolist() == [2, 29, 1, 1]
    assert report.bundle.classifier.vocabulary_size == 30
    assert any("10 ids of the model have no word" in note for note in report.notes)
    with_ids = import_file(model_file, tmp_path / "ids")
    np.testing.assert_allclose(
        Predictor(report.bundle).probabilities(["w2 w29 w5"]), Predictor(with_ids.bundle).probabilities(["2 29 5"])
    )
    config["num_words"] = 41
    file.write_text(json.dumps({"class_name": "Tokenizer", "config": config}))
    with pytest.raises(DataError, match="another model"):
        read_vocabulary(file, 40)
    config |= {"num_words": 30, "char_level": True}
    file.write_text(json.dumps({"class_name": "Tokenizer", "config": config}))
    with pytest.raises(DataError, match="char_level"):
        read_vocabulary(file, 40)


def test_a_word_index_and_unmasked_padding(layers, tmp_path):
    model = save(sequential(*NETWORKS["unmasked"](layers), shape=(6,)), tmp_path / "m.keras")
    index = tmp_path / "imdb_word_index.json"
    index.write_text(json.dumps({f"w{rank}": rank for rank in range(1, 100)}))
    report = import_file(model, tmp_path / "run", vocabulary=index)
    tokenizer = report.bundle.tokenizer
    assert tokenizer.encode(["w1 w36 w37"])[0].tolist() == [0, 0, 1, 4, 39, 2]
    assert tokenizer.encode(["w1 w2 w3 w4 w5 w6 w7"])[0].tolist() == [5, 6, 7, 8, 9, 10]
    assert any("padded before to 6" in note for note in report.notes)
    ids = import_file(model, tmp_path / "ids")
    np.testing.assert_allclose(
        Predictor(report.bundle).probabilities(["w1"]), Predictor(ids.bundle).probabilities(["0 0 0 0 1 4"])
    )


def test_the_vocabulary_of_text_vectorization(model_file, tmp_path):
    file = tmp_path / "vocabulary.txt"
    file.write_text("\n[UNK]\nthe\ndont\nstop\n")
    report = import_file(model_file, tmp_path / "run", vocabulary=file)
    assert report.bundle.tokenizer.encode(["The -- don't, s.t.o.p it"])[0].tolist() == [2, 3, 4, 1]
    reread = Predictor.load(tmp_path / "run").bundle.tokenizer
    assert reread.encode(["don't"])[0].tolist() == [3]
    assert reread.encode_with_spans("so don't stop")[1] == [(0, 2), (3, 8), (9, 13)]
    for content, message in (("the\n\nstop\n", "a token a line"), ("\n".join(f"w{k}" for k in range(60)), "another")):
        file.write_text(content)
        with pytest.raises(DataError, match=message):
            read_vocabulary(file, 40)


@pytest.mark.parametrize(("content", "message"), [("[1]", "must be one JSON object"), ("{", "no JSON"),
                                                  ('{"a": 1, "b": 3}', "without a gap")])  # fmt: skip
def test_odd_vocabularies(tmp_path, content, message):
    file = tmp_path / "words.json"
    file.write_text(content)
    with pytest.raises(DataError, match=message):
        read_vocabulary(file, 40)
    with pytest.raises(DataError, match="cannot be read"):
        read_vocabulary(tmp_path / "absent.json", 40)
