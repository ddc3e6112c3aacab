import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tests.export.networks import ragged, random_predictor
from tests.trained import tiny_run

from sulsul.batching import EncodedCorpus
from sulsul.ensemble import Ensemble
from sulsul.errors import OutputError, UsageError
from sulsul.evaluation.blending import Blend
from sulsul.export import OPSET, export_onnx
from sulsul.export.onnx_runtime import logits_in_onnx_runtime
from sulsul.predictor import Predictor

EMBEDDING = {"kind": "embedding", "size": 5}
LSTM = {"kind": "lstm", "units": 4}


def layers(*kinds: dict[str, object], **model: object) -> dict[str, object]:
    return {"input": EMBEDDING, "layers": list(kinds), **model}


CELLS = [
    {"kind": "simple-rnn", "units": 4},
    {"kind": "simple-rnn", "units": 4, "activation": "relu"},
    {"kind": "gru", "units": 4},
    {"kind": "gru", "units": 4, "reset_after": False},
    {"kind": "lstm", "units": 4},
    {"kind": "lstm", "units": 4, "activation": "relu"},
]
NETWORKS = {
    **{
        f"{cell['kind']}-{number}-{'two' if both else 'one'}": layers({**cell, "bidirectional": both})
        for number, cell in enumerate(CELLS)
        for both in (False, True)
    },
    **{
        f"{p}-pooling": layers({**LSTM, "bidirectional": True}, pooling=p) for p in ("last", "mean", "max", "attention")
    },
    **{f"one-way-{p}": layers(LSTM, pooling=p) for p in ("last", "attention")},
    **{
        f"one-hot-{cell['kind']}-{cell['units']}-{number}": {
            "input": {"kind": "one-hot"},
            "layers": [{**cell, "bidirectional": number > 0}],
            "pooling": "last",
        }
        for number in (0, 1)
        for cell in ({"kind": "simple-rnn", "units": 4}, {"kind": "lstm", "units": 2}, {"kind": "gru", "units": 30})
    },
    "stacked": layers(
        {**LSTM, "bidirectional": True},
        {"kind": "batch-norm"},
        {"kind": "dropout", "rate": 0.5},
        {"kind": "gru", "units": 3},
        {"kind": "batch-norm"},
        pooling="last",
        head=[
            {"kind": "dense", "units": 6},
            {"kind": "dropout", "rate": 0.2},
            {"kind": "dense", "units": 3, "activation": "tanh"},
        ],
    ),
    "no recurrence": layers(pooling="mean"),
    "no recurrence, last": layers(
        {"kind": "batch-norm"}, pooling="last", head=[{"kind": "dense", "units": 2, "activation": "linear"}]
    ),
}


SUMMED = {"input": {"kind": "summed-embedding", "size": 5}, "layers": [{**LSTM, "bidirectional": True}]}


def encoded(predictor: Predictor, texts: list[str]) -> EncodedCorpus:
    return predictor.encode(texts)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_gives_our_logits_on_ragged_and_empty_texts(name: str, tmp_path: Path) -> None:
    predictor = random_predictor(model=NETWORKS[name])
    report = export_onnx(predictor, tmp_path / "model.onnx", texts=encoded(predictor, ragged()))
    assert report.max_abs_error <= 1e-5
    assert report.n_same_answers == report.n_texts == 11


@pytest.mark.parametrize(("n_classes", "multi_label"), [(2, False), (3, False), (3, True)])
def test_probabilities_are_ours(n_classes: int, multi_label: bool, tmp_path: Path) -> None:
    predictor = random_predictor(n_classes=n_classes, multi_label=multi_label, model=layers(LSTM))
    export_onnx(predictor, tmp_path / "model.onnx")
    token_ids, offsets = predictor.bundle.tokenizer.encode(["word1 it's word2"])
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    feed = {"token_ids": token_ids[None].astype(np.int64), "lengths": np.diff(offsets)}
    (found,) = session.run(["probabilities"], feed)
    assert found == pytest.approx(predictor.probabilities(["word1 it's word2"]), abs=1e-5)


def test_a_batch_of_empty_texts_only(tmp_path: Path) -> None:
    predictor = random_predictor(model=layers({**LSTM, "bidirectional": True}))
    report = export_onnx(predictor, tmp_path / "model.onnx", texts=encoded(predictor, ["", ""]))
    assert report.max_abs_error <= 1e-5


def test_raw_ids_with_padding(tmp_path: Path) -> None:
    predictor = random_predictor(
        n_classes=2,
        text={"pad_to": 6, "max_length": 6},
        model={"input": {"kind": "raw-ids"}, "layers": [LSTM], "pooling": "last"},
    )
    for texts in (None, encoded(predictor, ["", "word1 word2"])):
        assert export_onnx(predictor, tmp_path / "model.onnx", texts=texts).max_abs_error <= 1e-5


def test_the_file_states_opset_free_axes_and_classes(tmp_path: Path) -> None:
    predictor = random_predictor(model=layers({**LSTM, "bidirectional": True}))
    report = export_onnx(predictor, tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    assert [axis.dim_param for axis in model.graph.input[0].type.tensor_type.shape.dim] == ["batch", "time"]
    (lstm,) = [node for node in model.graph.node if node.op_type == "LSTM"]
    assert len(lstm.input) == 5  # no initial state: zero
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(metadata["classes"]) == ["class 0", "class 1", "class 2"]
    assert report.size_bytes == (tmp_path / "model.onnx").stat().st_size
    assert not report.real_texts


def test_int8_weights_are_smaller_and_their_cost_is_measured(tmp_path: Path) -> None:
    predictor = random_predictor(model=layers({"kind": "gru", "units": 64, "bidirectional": True}))
    with pytest.raises(UsageError, match="labelled texts"):
        export_onnx(predictor, tmp_path / "small.onnx", int8=True)
    texts = encoded(predictor, ragged())
    labelled = EncodedCorpus(texts.token_ids, texts.offsets, np.zeros(len(texts), np.int64))
    whole = export_onnx(predictor, tmp_path / "model.onnx", texts=labelled)
    small = export_onnx(predictor, tmp_path / "small.onnx", texts=labelled, int8=True)
    assert small.size_bytes < 0.4 * whole.size_bytes
    assert 0 < small.max_abs_error < 0.1
    assert small.accuracy == whole.accuracy == whole.exported_accuracy
    assert small.exported_accuracy is not None


def test_a_difference_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sulsul.export.onnx_file as module

    predictor = random_predictor(model=layers(LSTM))
    true = module.logits_in_onnx_runtime
    monkeypatch.setattr(module, "logits_in_onnx_runtime", lambda model, texts: true(model, texts) + 1e-4)
    with pytest.raises(OutputError, match="was not written"):
        export_onnx(predictor, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match=r"pip install 'sulsul\[onnx\]'"):
        export_onnx(random_predictor(model=layers(LSTM)), tmp_path / "model.onnx")


@pytest.mark.parametrize("text", [{"ngrams": [1, 3]}, {"ngrams": [2, 4], "ngram_buckets": 30, "reserved": ["pad"]}])
def test_words_that_are_sums(text: dict[str, object], tmp_path: Path) -> None:
    predictor = random_predictor(model=SUMMED, text=text)
    for texts in (["", ""], ragged()):
        report = export_onnx(predictor, tmp_path / "model.onnx", texts=encoded(predictor, texts))
        assert report.max_abs_error <= 1e-5
        assert report.n_same_answers == report.n_texts == len(texts)
    assert not export_onnx(predictor, tmp_path / "model.onnx").real_texts
    small = export_onnx(predictor, tmp_path / "small.onnx", texts=encoded(predictor, ragged()), int8=True)
    assert 0.0 < small.max_abs_error < 0.1


def several(predictor: Predictor, n_members: int, temperature: float) -> Predictor:
    """Return the classifier with further networks of other weights."""
    first = predictor.bundle.classifier
    members = [first]
    for number in range(1, n_members):
        member = copy.deepcopy(first)
        with torch.no_grad():
            for parameter in member.parameters():
                parameter *= 1.0 - 0.4 * number
        members.append(member)
    ensemble = Ensemble(tuple(members), blend=Blend(temperature=temperature))
    return Predictor(replace(predictor.bundle, ensemble=ensemble))


@pytest.mark.parametrize(("n_members", "temperature"), [(1, 2.0), (3, 1.0), (2, 0.7)])
def test_networks_and_temperature_are_one_graph(tmp_path: Path, n_members: int, temperature: float) -> None:
    predictor = several(random_predictor(model=NETWORKS["stacked"]), n_members, temperature)
    texts = encoded(predictor, ragged())
    report = export_onnx(predictor, tmp_path / "model.onnx", texts=texts)
    assert report.n_same_answers == len(texts)
    given = logits_in_onnx_runtime((tmp_path / "model.onnx").read_bytes(), texts)
    np.testing.assert_allclose(given, predictor.logits(texts), atol=1e-5)
    only = several(random_predictor(model=NETWORKS["stacked"]), 1, 1.0)
    assert not np.allclose(given, only.logits(texts), atol=1e-3)


def test_a_linear_part_is_refused_or_left_out_and_measured(tmp_path: Path) -> None:
    outcome = tiny_run(tmp_path, ensemble={"members": 2}, wide={"kind": "linear"})
    predictor = Predictor(outcome.bundle)
    file = tmp_path / "model.onnx"
    with pytest.raises(UsageError, match="--recurrent-only"):
        export_onnx(predictor, file)
    with pytest.raises(UsageError, match="labelled DATA"):
        export_onnx(predictor, file, recurrent_only=True)
    assert not file.exists()
    split = outcome.data.splits["test"].encoded
    strings = outcome.data.texts("test")
    report = export_onnx(predictor, file, texts=split, strings=strings, recurrent_only=True)
    assert outcome.record.answer is not None
    alone = next(part for part in outcome.record.answer.parts if part.kind == "recurrent")
    assert report.exported_accuracy == pytest.approx(alone.accuracy)
    assert report.whole_accuracy == pytest.approx(outcome.record.answer.whole.accuracy)
