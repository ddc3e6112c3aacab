"""Ensembles through the whole job: trained, blended, saved, loaded, interrupted and resumed."""

import json
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.trained import tiny_run, tiny_specification, write_corpus

from sulsul.bundle import CONFIG_FILE, LINEAR_FILE, Bundle
from sulsul.doctor.sources import examine_run_folder
from sulsul.ensemble import Ensemble, fit_to_output, mean_logits
from sulsul.errors import BundleError, SpecificationError, TrainingError
from sulsul.evaluating import evaluate_source
from sulsul.experiment import Listener, Outcome, run_experiment
from sulsul.predictor import Predictor

WHOLE: dict[str, Any] = {
    "ensemble": {"members": 2},
    "wide": {"kind": "linear"},
    "calibration": {"temperature": "validation", "abstain_precision": 0.6},
}
TEXTS = ["문의가 정말 좋았다", "the staff was rude", "", "처음 보는 말", "문의가 정말 좋았다"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path]:
    folder = tmp_path_factory.mktemp("whole")
    return tiny_run(folder, **WHOLE), folder / "run"


def test_a_bundle_keeps_every_part_to_the_bit(whole: tuple[Outcome, Path]) -> None:
    outcome, folder = whole
    config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    assert config["schema_version"] == 2
    assert config["answer"]["members"] == 2
    assert {path.name for path in folder.iterdir()} >= {LINEAR_FILE, "history.csv", "history-2.csv"}
    ensemble = Bundle.load(folder).ensemble
    assert ensemble.blend == outcome.bundle.ensemble.blend
    assert ensemble.abstention == outcome.bundle.ensemble.abstention
    np.testing.assert_array_equal(
        Predictor.load(folder).probabilities(TEXTS), Predictor(outcome.bundle).probabilities(TEXTS)
    )


def test_the_answer_is_the_blend_of_its_parts(whole: tuple[Outcome, Path]) -> None:
    predictor = Predictor.load(whole[1])
    ensemble = predictor.bundle.ensemble
    encoded = predictor.encode(TEXTS)
    parts = ensemble.part_logits(encoded, TEXTS)
    assert len(parts.members) == 2
    assert not np.array_equal(parts.members[0], parts.members[1])
    np.testing.assert_allclose(parts.recurrent, (parts.members[0] + parts.members[1]) / 2.0, rtol=1e-6)
    assert parts.linear is not None
    weight, temperature = ensemble.blend.linear_weight, ensemble.blend.temperature
    expected = ((1 - weight) * parts.recurrent + weight * parts.linear) / temperature
    np.testing.assert_allclose(predictor.logits(encoded, TEXTS), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="texts themselves"):
        predictor.logits(encoded)


def test_answers_do_not_depend_on_unicode_form_or_batch(whole: tuple[Outcome, Path]) -> None:
    predictor = Predictor.load(whole[1])
    decomposed = unicodedata.normalize("NFD", TEXTS[0])
    assert decomposed != TEXTS[0]
    composed, other = predictor.probabilities([TEXTS[0], decomposed])
    np.testing.assert_array_equal(composed, other)
    together = predictor.probabilities(TEXTS)
    np.testing.assert_allclose(together[[2]], predictor.probabilities([""]), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_logits", [1, 2, 3])
def test_a_probability_does_not_depend_on_its_place(
    whole: tuple[Outcome, Path], dtype: type[np.floating[Any]], n_logits: int
) -> None:
    ensemble = whole[0].bundle.ensemble
    logits = np.random.default_rng(0).normal(0.0, 4.0, (1000, n_logits)).astype(dtype)
    expected = ensemble.probabilities(logits)
    assert expected.dtype == dtype
    for width in (1, 3, 17, 250):
        pieces = [ensemble.probabilities(logits[start : start + width]) for start in range(0, 1000, width)]
        assert np.concatenate(pieces).tobytes() == expected.tobytes()


def test_the_record_says_what_the_answer_consists_of(whole: tuple[Outcome, Path]) -> None:
    record = whole[0].record
    assert record.answer is not None
    assert [part.kind for part in record.answer.parts] == ["member", "member", "recurrent", "linear", "whole"]
    assert record.headline is not None
    assert record.answer.whole.accuracy == record.headline.accuracy
    linear = next(part for part in record.answer.parts if part.kind == "linear")
    named = next(scores for scores in record.baselines if scores.title == record.answer.linear)
    assert (linear.accuracy, linear.macro_f1) == (named.accuracy, named.macro_f1)
    assert len(record.members) == 2
    assert record.training_seconds == sum(member.seconds for member in record.members)
    assert record.answer.n_fitted == 15
    assert record.answer.abstention is not None


def test_a_member_is_the_network_of_its_seed_alone(tmp_path: Path, whole: tuple[Outcome, Path]) -> None:
    single = tiny_run(tmp_path, training={"seed": 1}, split={"seed": 42})
    assert single.data.split_note == whole[0].data.split_note
    weights = whole[0].bundle.ensemble.members[1].state_dict()
    for name, tensor in single.bundle.classifier.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), weights[name].numpy())


def test_a_plain_bundle_is_of_the_old_schema(finished_run: Path) -> None:
    config = json.loads((finished_run / "run" / CONFIG_FILE).read_text(encoding="utf-8"))
    assert config["schema_version"] == 1
    assert "answer" not in config
    assert not {"ensemble", "wide", "calibration"} & config["specification"].keys()
    assert Bundle.load(finished_run / "run").ensemble.is_plain


@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_an_interrupted_ensemble_goes_on_at_the_right_member(tmp_path: Path, stop_at: int) -> None:
    specification = tiny_specification(write_corpus(tmp_path / "corpus.csv"), **{**WHOLE, "ensemble": {"members": 3}})
    seen: list[int] = []
    listener = Listener(on_epoch=lambda record: seen.append(1), stop_requested=lambda: len(seen) == stop_at)
    whole, partial = tmp_path / "whole", tmp_path / "partial"
    run_experiment(specification, whole, command="c", baselines=False)
    stopped = run_experiment(specification, partial, command="c", baselines=False, listener=listener)
    assert stopped.interrupted
    # Two epochs each: a stop after the second is one before the next member's first, which then leaves nothing.
    assert len(stopped.bundle.ensemble.members) == {1: 1, 2: 1, 3: 2}[stop_at]
    assert len(Predictor.load(partial).predict(TEXTS)) == len(TEXTS)
    begun: list[int] = []
    resumed = run_experiment(
        specification,
        partial,
        command="c",
        baselines=False,
        resume=True,
        listener=Listener(on_member=lambda member, n: begun.append(member)),
    )
    assert begun == {1: [0, 1, 2], 2: [1, 2], 3: [1, 2]}[stop_at]
    assert not resumed.interrupted
    for name in ("model.safetensors", LINEAR_FILE):
        assert (partial / name).read_bytes() == (whole / name).read_bytes()
    assert {path.name for path in partial.iterdir()} == {path.name for path in whole.iterdir()}
    configs = [json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8")) for folder in (whole, partial)]
    assert configs[0]["answer"] == configs[1]["answer"]


def test_a_damaged_or_foreign_member_is_refused(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "corpus.csv")
    specification = tiny_specification(source, ensemble={"members": 2})
    seen: list[int] = []
    listener = Listener(on_epoch=lambda record: seen.append(1), stop_requested=lambda: len(seen) == 3)
    run_experiment(specification, tmp_path / "run", command="c", baselines=False, listener=listener)
    other = tiny_specification(source, ensemble={"members": 2}, training={"learning_rate": 0.5})
    with pytest.raises(TrainingError, match=r"learning_rate was 0\.01"):
        run_experiment(other, tmp_path / "run", command="c", baselines=False, resume=True)
    (tmp_path / "run" / "member-0.safetensors").write_bytes(b"nothing")
    with pytest.raises(BundleError, match="not a finished member"):
        run_experiment(specification, tmp_path / "run", command="c", baselines=False, resume=True)


def test_without_validation_texts_the_defaults_stand(tmp_path: Path) -> None:
    wanted = {"split": {"validation": 0.0}, "wide": {"kind": "linear"}, "calibration": {"temperature": "validation"}}
    outcome = tiny_run(tmp_path, **wanted)
    blend = outcome.bundle.ensemble.blend
    assert (blend.linear_weight, blend.temperature, blend.n_texts) == (0.5, 1.0, 0)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(SpecificationError, match="needs validation texts"):
        tiny_run(other, split={"validation": 0.0}, calibration={"abstain_precision": 0.9})
    assert not (other / "run").exists()


def _edit(folder: Path, change: Any) -> None:
    values = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    change(values)
    (folder / CONFIG_FILE).write_text(json.dumps(values), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / LINEAR_FILE).unlink(), "is missing"),
        (lambda folder: (folder / LINEAR_FILE).write_bytes(b"x"), "was altered"),
        (lambda folder: _edit(folder, lambda values: values["answer"].update(members=1)), "not expected|missing"),
        (lambda folder: _edit(folder, lambda values: values["answer"].update(members=3)), "missing"),
        (lambda folder: _edit(folder, lambda values: values["answer"]["blend"].update(temperature=0)), "temperature"),
        (lambda folder: _edit(folder, lambda values: values["files"].pop(LINEAR_FILE)), "does not list"),
    ],
)
def test_a_damaged_ensemble_is_refused(whole: tuple[Outcome, Path], tmp_path: Path, damage: Any, words: str) -> None:
    folder = Path(shutil.copytree(whole[1], tmp_path / "copy"))
    damage(folder)
    with pytest.raises(BundleError, match=words):
        Bundle.load(folder)


def test_one_log_odds_becomes_two_logits() -> None:
    linear = fit_to_output(np.array([[3.0], [-1.0]]), "softmax")
    assert (linear[:, 1] - linear[:, 0]).tolist() == [3.0, -1.0]
    assert fit_to_output(np.array([[3.0]]), "sigmoid").tolist() == [[3.0]]


def test_the_mean_of_one_is_itself(whole: tuple[Outcome, Path]) -> None:
    logits = np.zeros((2, 1), np.float32)
    assert mean_logits([logits]) is logits
    assert not Ensemble(whole[0].bundle.ensemble.members).is_plain


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_both_outputs_of_two_classes(tmp_path: Path, output: str) -> None:
    outcome = tiny_run(tmp_path, model={"output": output}, wide={"kind": "linear"})
    probabilities = Predictor.load(tmp_path / "run").probabilities(TEXTS)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)
    assert outcome.bundle.ensemble.blend.n_texts == 15


def test_label_sets(tmp_path: Path) -> None:
    rows = ["text,label", *(f"{word} text {k},{labels}" for k in range(20) for word, labels in _SETS)]
    source = tmp_path / "sets.csv"
    source.write_text("\n".join(rows) + "\n", encoding="utf-8")
    data = {"label_separator": "|", "id": None}
    specification = tiny_specification(source, data=data, **WHOLE)
    outcome = run_experiment(specification, tmp_path / "run", command="c")
    predictor = Predictor.load(tmp_path / "run")
    assert predictor.probabilities(["red text", "nothing"]).shape == (2, 2)
    assert outcome.record.answer is not None
    assert outcome.record.answer.whole.accuracy >= 0.0


_SETS = (("red", "warm"), ("blue", "cold"), ("purple", "warm|cold"), ("grey", "cold"))


def test_evaluate_judges_the_parts_too(whole: tuple[Outcome, Path]) -> None:
    settings = whole[0].bundle.specification.data
    record, judgement = evaluate_source(Predictor.load(whole[1]), settings, command="sulsul evaluate")
    assert record.answer is not None
    assert record.answer.whole.accuracy == judgement.evaluation.accuracy
    assert record.answer.n_members == 2
    diagnosis = examine_run_folder(whole[1], thorough=False)
    assert all(
        "The network" not in finding.what for finding in diagnosis.findings if finding.check == "linear-baseline"
    )
