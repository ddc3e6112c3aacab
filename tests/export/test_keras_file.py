"""What is written as ``.keras`` is loaded by Keras in safe mode and answers alike."""

from dataclasses import replace

import numpy as np
import pytest
from tests.export.networks import ragged, random_predictor
from tests.keras_models import answer_in_this_process, import_keras

from sulsul.batching import EncodedCorpus
from sulsul.ensemble import Ensemble
from sulsul.errors import OutputError, UsageError
from sulsul.evaluation.blending import Blend
from sulsul.export import export_keras
from sulsul.importing import import_keras as import_file
from sulsul.predictor import Predictor

pytestmark = pytest.mark.filterwarnings("ignore:.*does not support masking.*")


@pytest.fixture(autouse=True)
def in_process(monkeypatch):
    import_keras()
    monkeypatch.setattr("sulsul.export.keras_file.logits_in_keras", answer_in_this_process)
    monkeypatch.setattr("sulsul.importing.comparison.logits_in_keras", answer_in_this_process)


EMBEDDING = {"kind": "embedding", "size": 5}
BILSTM = {"kind": "lstm", "units": 4, "bidirectional": True}
GRU = {"kind": "gru", "units": 3}
HEAD = [
    {"kind": "dense", "units": 6},
    {"kind": "dropout", "rate": 0.2},
    {"kind": "dense", "units": 2, "activation": "tanh"},
]
PADDED = {"pad_to": 9, "max_length": 9}
CASES = {
    "last": {"model": {"input": EMBEDDING, "layers": [BILSTM, GRU], "pooling": "last", "head": HEAD}},
    "mean": {"model": {"input": EMBEDDING, "layers": [GRU, BILSTM], "pooling": "mean"}},
    "max": {"model": {"input": EMBEDDING, "layers": [{"kind": "dropout", "rate": 0.1}, BILSTM], "pooling": "max"}},
    "max without recurrence": {"model": {"input": EMBEDDING, "layers": [], "pooling": "max"}},
    "norm": {"model": {"input": EMBEDDING, "layers": [BILSTM, {"kind": "batch-norm"}, GRU, {"kind": "batch-norm"}],
                       "pooling": "last"}},
    "old gru": {"model": {"input": EMBEDDING, "layers": [{**GRU, "reset_after": False}], "pooling": "last"}},
    "one-hot": {"model": {"input": {"kind": "one-hot"}, "layers": [{"kind": "simple-rnn", "units": 4}],
                          "pooling": "last"}},
    "one-hot, padded": {"model": {"input": {"kind": "one-hot"}, "layers": [GRU], "pooling": "max"}, "text": PADDED},
    "padded": {"model": {"input": EMBEDDING, "layers": [BILSTM], "pooling": "max"}, "text": PADDED},
    "one timestep": {"model": {"input": {"kind": "raw-ids"}, "layers": [GRU], "pooling": "last"}, "text": PADDED},
    "no pad": {"model": {"input": EMBEDDING, "layers": [GRU], "pooling": "last"}, "text": {"reserved": ["oov"]}},
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_logits_are_ours(tmp_path, name, n_classes):
    predictor = random_predictor(n_classes=n_classes, **CASES[name])
    report = export_keras(predictor, tmp_path / "model.keras")
    assert report.max_abs_error < 1e-5
    assert report.n_texts >= 16


def test_texts_of_many_lengths_padded_on_either_side(tmp_path):
    predictor = random_predictor(**CASES["max"], multi_label=True)
    texts = predictor.encode(ragged())
    report = export_keras(predictor, tmp_path / "model.keras", texts=texts)
    assert (report.real_texts, report.n_texts) == (True, 9)  # two are empty
    model = import_keras().saving.load_model(tmp_path / "model.keras")
    ids = predictor.encode([ragged()[5]]).token_ids[None]
    both = [np.pad(ids, ((0, 0), pad)) for pad in ((0, 4), (4, 0), (2, 2))]
    ours = predictor.probabilities([ragged()[5]])
    for padded in both:
        np.testing.assert_allclose(model.predict(padded, verbose=0), ours, atol=1e-6)


def test_a_temperature_goes_with_the_file(tmp_path):
    plain = random_predictor(**CASES["last"])
    ensemble = Ensemble((plain.bundle.classifier,), blend=Blend(temperature=2.5, n_texts=9))
    predictor = Predictor(replace(plain.bundle, ensemble=ensemble))
    export_keras(predictor, tmp_path / "model.keras")
    model = import_keras().saving.load_model(tmp_path / "model.keras")
    theirs = model.predict(predictor.encode([ragged()[5]]).token_ids[None], verbose=0)
    np.testing.assert_allclose(theirs, predictor.probabilities([ragged()[5]]), atol=1e-6)


def test_there_and_back(tmp_path):
    predictor = random_predictor(**CASES["norm"])
    export_keras(predictor, tmp_path / "model.keras")
    back = import_file(tmp_path / "model.keras", tmp_path / "run").bundle
    assert back.specification.model.layers[:3] == predictor.bundle.specification.model.layers[:3]
    text = " ".join(map(str, predictor.encode([ragged()[6]]).token_ids))
    np.testing.assert_allclose(Predictor(back).probabilities([text]), predictor.probabilities([ragged()[6]]), atol=1e-6)


def test_refusals(tmp_path, monkeypatch):
    attention = random_predictor(model={"input": EMBEDDING, "layers": [GRU], "pooling": "attention"})
    with pytest.raises(UsageError, match=r"attention pooling.*--onnx"):
        export_keras(attention, tmp_path / "m.keras")
    one_hot = random_predictor(model={"input": {"kind": "one-hot"}, "layers": [GRU], "pooling": "max"})
    with pytest.raises(UsageError, match="max pooling over masked one-hot"):
        export_keras(one_hot, tmp_path / "m.keras")
    plain = random_predictor(**CASES["last"])
    with pytest.raises(UsageError, match=r"end in \.keras"):
        export_keras(plain, tmp_path / "m.h5")
    summed = {"model": {"input": {"kind": "summed-embedding"}, "layers": [GRU]}, "text": {"ngrams": [2, 3]}}
    with pytest.raises(UsageError, match="sums of n-grams"):
        export_keras(random_predictor(**summed), tmp_path / "m.keras")
    several = Ensemble((plain.bundle.classifier,) * 2)
    with pytest.raises(UsageError, match=r"2 network\(s\) together.*ensemble\.members=1"):
        export_keras(Predictor(replace(plain.bundle, ensemble=several)), tmp_path / "m.keras")
    nothing = EncodedCorpus(np.zeros(0, np.int32), np.zeros(2, np.int64))
    with pytest.raises(UsageError, match="no texts"):
        export_keras(plain, tmp_path / "m.keras", texts=nothing)
    monkeypatch.setattr(
        "sulsul.export.keras_file.logits_in_keras", lambda path, ids: answer_in_this_process(path, ids) + 1
    )
    with pytest.raises(OutputError, match=r"differs by 1\.0e\+00"):
        export_keras(plain, tmp_path / "m.keras")
    assert not (tmp_path / "m.keras").exists()
    monkeypatch.setattr("sulsul.export.keras_file.keras_version", lambda: None)
    assert export_keras(plain, tmp_path / "m.keras").max_abs_error is None
