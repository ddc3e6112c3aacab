"""Every check of a finished run: a planted mistake that it must find, a clean neighbour on which it stays silent."""

import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests.doctor.conftest import clean_rows

from sulsul.bundle import Bundle
from sulsul.doctor import check_after, examine_run_folder, findings_of_run, is_run_folder
from sulsul.doctor.run import baselines, history, majority, pipeline, scores
from sulsul.doctor.run.evidence import RunEvidence
from sulsul.errors import BundleError
from sulsul.evaluation import compare_paired, evaluate_predictions
from sulsul.evaluation.baselines import BaselineScores
from sulsul.experiment import run_experiment
from sulsul.findings import Finding
from sulsul.recipes import load_recipe
from sulsul.report.record import DataSummary, EpochRow, RunRecord, TrainingSummary
from sulsul.specification import RunSpecification
from sulsul.text import Tokenizer

CLASSES = ("neg", "pos")


def only(findings):
    (finding,) = list(findings)
    return finding


def predictions(truth, n_wrong, *, sure=0.9):
    """Return probabilities (B, 2) of which the last ``n_wrong`` are wrong."""
    answers = truth.copy()
    if n_wrong:
        answers[-n_wrong:] = 1 - answers[-n_wrong:]
    given = np.full((len(truth), 2), 1 - sure)
    given[np.arange(len(truth)), answers] = sure
    return given


TRUTH = np.arange(400) % 2
GOOD = predictions(TRUTH, 40)


def evaluation_of(truth, given, classes=CLASSES):
    return evaluate_predictions(truth, given, classes)


def scores_of(name, accuracy, n=400):
    return BaselineScores(
        name=name,
        title=name,
        n=n,
        accuracy=accuracy,
        accuracy_interval=(accuracy - 0.03, accuracy + 0.03),
        macro_f1=accuracy,
        macro_f1_interval=(accuracy - 0.03, accuracy + 0.03),
        seconds=0.4,
    )


def history_of(losses, **scores):
    return tuple(
        EpochRow(epoch=i + 1, loss=loss, **{name: values[i] for name, values in scores.items()})
        for i, loss in enumerate(losses)
    )


def record_of(test=None, *, losses=(0.69, 0.5, 0.3), best=3, kept=3, monitor="val_loss", scores=None, **fields):
    summary = TrainingSummary(
        history=history_of(losses, **(scores or {})),
        best_epoch=best,
        kept_epoch=kept,
        stopped="finished",
        monitor=monitor,
        seconds=1.0,
    )
    data = DataSummary(
        source="x.csv", fingerprint="0" * 64, n_rows=800, classes=CLASSES, class_counts={"train": (200, 200)}
    )
    evaluations = fields.pop("evaluations", {"test": evaluation_of(TRUTH, GOOD) if test is None else test})
    linear = fields.pop("baselines", (scores_of("tfidf-word", 0.75),))
    return RunRecord(
        kind="train", title="x", command="x", data=data, training=summary, evaluations=evaluations, baselines=linear,
        **fields,
    )  # fmt: skip


def evidence_of(*arguments, overrides=(), probabilities=None, **fields):
    specification = RunSpecification().with_overrides(overrides)
    return RunEvidence(record_of(*arguments, **fields), specification, probabilities or {})


def test_a_good_run_has_no_findings():
    evidence = evidence_of()
    assert [f for check in (
        majority.find_majority_only, baselines.find_baseline_ahead, baselines.find_single_seed,
        history.find_no_progress, history.find_worse_epoch_kept, history.find_other_metric, history.find_memorising,
        scores.find_neglected_classes, scores.find_overconfidence, scores.find_suspicious_equality,
        scores.find_validation_as_result, scores.find_poor_threshold, scores.find_help_of_copies,
    ) for f in check(evidence)] == []  # fmt: skip


def test_a_run_that_learned_only_the_majority_class():
    truth = (np.arange(400) % 10 < 4).astype(np.int64)
    always = np.tile([0.6, 0.4], (400, 1))
    evaluation = evaluation_of(truth, always)
    record = {"val_accuracy": (0.6, 0.6, 0.7)}
    evidence = evidence_of(evaluations={"test": evaluation, "validation": evaluation}, scores=record)
    finding = only(majority.find_majority_only(evidence))
    assert finding.severity == "error"
    assert "majority class" in finding.what
    assert finding.evidence["epochs_at_the_majority_share"] == [1, 2]


def test_a_run_that_is_no_better_than_the_majority_class():
    wrong = predictions(TRUTH, 195)
    finding = only(majority.find_majority_only(evidence_of(evaluation_of(TRUTH, wrong))))
    assert finding.severity == "warning"


def test_a_run_worse_than_a_linear_model():
    truth, ours, linear = TRUTH, GOOD.argmax(1) == TRUTH, predictions(TRUTH, 8).argmax(1) == TRUTH
    paired = compare_paired("net", ours, {"tfidf-word": linear})
    evidence = evidence_of(baselines=(scores_of("tfidf-word", float(linear.mean())),), paired=paired)
    finding = only(baselines.find_baseline_ahead(evidence))
    assert finding.severity == "warning"
    assert "worse than a linear model" in finding.what
    alike = compare_paired("net", ours, {"tfidf-word": np.roll(ours, 1)})
    evidence = evidence_of(baselines=(scores_of("tfidf-word", 0.9),), paired=alike)
    assert only(baselines.find_baseline_ahead(evidence)).severity == "note"
    assert only(baselines.find_single_seed(evidence)).severity == "note"
    assert len(truth) == evidence.headline.n


def test_a_run_without_a_linear_model():
    evidence = evidence_of(baselines=(scores_of("majority", 0.5),))
    assert "No linear baseline" in only(baselines.find_baseline_ahead(evidence)).what


@pytest.mark.parametrize("losses", [(0.694, 0.6935, 0.693), (0.7, float("inf"), float("nan"))])
def test_training_that_did_not_progress(losses):
    assert only(history.find_no_progress(evidence_of(losses=losses))).check == "training-stalled"


def test_a_loss_that_begins_low_is_not_stalled():
    assert list(history.find_no_progress(evidence_of(losses=(0.0502, 0.0501, 0.05)))) == []


def test_another_epoch_kept_than_the_best():
    evidence = evidence_of(best=2, kept=3, scores={"val_loss": (0.8, 0.7614, 0.9586)})
    finding = only(history.find_worse_epoch_kept(evidence))
    assert (finding.evidence["val_loss_best"], finding.evidence["val_loss_kept"]) == (0.7614, 0.9586)
    planned = ("training.schedule=cosine", "training.patience=never", "training.keep=last")
    evidence = evidence_of(best=2, kept=3, scores={"val_loss": (0.8, 0.7614, 0.9586)}, overrides=planned)
    assert list(history.find_worse_epoch_kept(evidence)) == []


def test_the_reported_measure_would_choose_another_epoch():
    evidence = evidence_of(best=1, kept=1, scores={"val_macro_f1": (0.8, 0.85, 0.84)})
    assert "epoch 2" in only(history.find_other_metric(evidence)).what
    same = evidence_of(best=2, kept=2, monitor="val_macro_f1", scores={"val_macro_f1": (0.8, 0.85, 0.84)})
    assert list(history.find_other_metric(same)) == []
    last = evidence_of(best=1, kept=1, scores={"val_macro_f1": (0.8, 0.85, 0.84)}, overrides=["training.keep=last"])
    assert list(history.find_other_metric(last)) == []


def test_memorising():
    train = evaluation_of(TRUTH, predictions(TRUTH, 0))
    test = evaluation_of(TRUTH, predictions(TRUTH, 80))
    assert only(history.find_memorising(evidence_of(evaluations={"train": train, "test": test}))).severity == "note"


def test_classes_that_accuracy_hides():
    truth = np.array([0] * 300 + [1] * 80 + [2] * 20)
    given = np.full((400, 3), 0.05)
    given[np.arange(400), np.where(truth == 2, 0, truth)] = 0.9
    evaluation = evaluation_of(truth, given, ("a", "b", "c"))
    assert only(scores.find_neglected_classes(evidence_of(evaluation))).evidence["never_answered"] == ["c"]


def test_overconfidence():
    unsure = evaluation_of(TRUTH, predictions(TRUTH, 120, sure=0.99))
    assert only(scores.find_overconfidence(evidence_of(unsure))).severity == "note"


def test_validation_scores_equal_to_the_training_scores():
    same = evaluation_of(TRUTH, GOOD)
    evidence = evidence_of(evaluations={"train": same, "validation": same, "test": same})
    assert only(scores.find_suspicious_equality(evidence)).check == "validation-copied"
    other = evaluation_of(TRUTH, predictions(TRUTH, 41))
    evidence = evidence_of(evaluations={"train": same, "validation": other, "test": same})
    assert list(scores.find_suspicious_equality(evidence)) == []


def test_a_score_on_the_validation_texts():
    evidence = evidence_of(evaluations={"validation": evaluation_of(TRUTH, GOOD)})
    assert only(scores.find_validation_as_result(evidence)).check == "test-as-validation"


def test_before_and_after_do_not_tell_the_same_twice():
    def finding(check, what, severity="warning"):
        return Finding(check=check, severity=severity, what=what, why="w", remedy="r")

    before = (finding("last-epoch-kept", "risk"), finding("padding-share", "p", "note"))
    found = findings_of_run(before, (finding("last-epoch-kept", "figures"), finding("majority-only", "m", "error")))
    assert [f.what for f in found] == ["m", "figures", "p"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the folder of a small finished run with 100 copies across its splits, and what it left."""
    folder = tmp_path_factory.mktemp("runs")
    rows = clean_rows(700)
    rows += [(text + "!", label) for text, label in rows[:100]]
    pl.DataFrame(rows, schema=["text", "label"], orient="row").write_csv(folder / "data.csv")
    overrides = (
        f'data.source="{folder / "data.csv"}"', "text.tokenizer=word", "model.units=8", "model.input.size=8",
        "training.epochs=2", "training.threads=1", "split.validation=0.2",
    )  # fmt: skip
    specification = load_recipe("default").with_overrides(overrides)
    return folder / "run", run_experiment(specification, folder / "run", command="sulsul train data.csv")


def test_a_run_leaves_the_findings_before_and_after_it(run):
    folder, outcome = run
    found = {finding.check for finding in outcome.record.findings}
    assert {"duplicates", "small-evaluation"} <= found
    recorded = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["findings"]
    assert {finding["check"] for finding in recorded} == found


def test_a_sound_run_folder_is_found_sound(run):
    diagnosis = examine_run_folder(run[0])
    checked = {"changed-data", "changed-pipeline", "vocabulary-of-other-texts"}
    assert checked <= set(diagnosis.checked)
    assert not checked & {finding.check for finding in diagnosis.findings}
    assert diagnosis.remarks == ()
    assert is_run_folder(run[0])
    assert not is_run_folder(run[0].parent)


def test_help_of_copies_is_measured(run):
    outcome = run[1]
    split = outcome.data.splits["test"]
    truth = split.encoded.class_ids
    copies = scores.find_help_of_copies(
        RunEvidence(outcome.record, outcome.bundle.specification, {"test": predictions(truth, 0)}, outcome.data)
    )
    assert list(copies) == []  # all are right: copies do not help
    rows = split.rows
    is_copy = np.isin(rows, [r for r in rows if outcome.data.corpus.texts[int(r)].endswith("!")])
    given = predictions(truth, 0)
    given[~is_copy] = predictions(truth, len(truth))[~is_copy]
    evidence = RunEvidence(outcome.record, outcome.bundle.specification, {"test": given}, outcome.data)
    finding = only(scores.find_help_of_copies(evidence))
    assert finding.evidence["accuracy_without_copies"] < finding.evidence["accuracy"]


def test_a_threshold_chosen_on_validation_texts(run):
    outcome = run[1]
    split = outcome.data.splits["validation"]
    truth = np.zeros(len(split.rows), np.int64)
    truth[:24] = 1
    given = np.full(len(truth), 0.1)
    given[:24] = 0.4
    encoded = replace(split.encoded, class_ids=truth)
    data = replace(outcome.data, splits={**outcome.data.splits, "validation": replace(split, encoded=encoded)})
    both = np.stack([1 - given, given], axis=1)
    evidence = RunEvidence(outcome.record, outcome.bundle.specification, {"validation": both}, data)
    finding = only(scores.find_poor_threshold(evidence))
    assert (finding.evidence["threshold"], finding.evidence["f1"]) == (0.4, 1.0)
    good = np.stack([1 - 2 * given, 2 * given], axis=1)
    evidence = RunEvidence(outcome.record, outcome.bundle.specification, {"validation": good}, data)
    assert list(scores.find_poor_threshold(evidence)) == []


def test_data_that_changed_since(run, tmp_path):
    folder = run[0]
    source = folder.parent / "data.csv"
    content = source.read_bytes()
    try:
        source.write_bytes(content + b"one more text,pos\n")
        found = [finding.check for finding in examine_run_folder(folder).findings]
    finally:
        source.write_bytes(content)
    assert "changed-data" in found
    assert "changed-pipeline" not in found


def test_a_bundle_that_does_not_repeat_its_score(run):
    outcome = run[1]
    given = {"test": predictions(outcome.data.splits["test"].encoded.class_ids, 0)}
    recorded = outcome.record.evaluations["test"].model_copy(update={"accuracy": 0.5})
    record = outcome.record.model_copy(update={"evaluations": {"test": recorded}})
    evidence = RunEvidence(record, outcome.bundle.specification, given, outcome.data, outcome.bundle)
    assert only(pipeline.find_changed_pipeline(evidence)).severity == "error"


def test_a_vocabulary_of_all_texts(run):
    outcome = run[1]
    tokenizer = Tokenizer.fit(outcome.data.corpus.texts, outcome.data.tokenizer.settings)
    data = replace(outcome.data, tokenizer=tokenizer)
    evidence = RunEvidence(outcome.record, outcome.bundle.specification, {}, data, outcome.bundle)
    assert "the test texts included" in only(pipeline.find_foreign_vocabulary(evidence)).what


def test_a_run_without_its_data_is_examined_by_its_figures(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "moved")
    source = run[0].parent / "data.csv"
    hidden = source.rename(source.with_name("elsewhere.csv"))
    try:
        diagnosis = examine_run_folder(tmp_path / "moved")
    finally:
        hidden.rename(source)
    assert "data were not looked at" in diagnosis.remarks[0]
    assert "majority-only" in diagnosis.checked


def test_figures_alone_and_unreadable_figures(run, tmp_path):
    (tmp_path / "metrics.json").write_bytes((run[0] / "metrics.json").read_bytes())
    assert "no classifier" in examine_run_folder(tmp_path).remarks[0]
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(BundleError, match=r"metrics\.json"):
        examine_run_folder(tmp_path)
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(BundleError, match="not JSON"):
        examine_run_folder(tmp_path)


def test_checks_after_training_are_quick_ones(run):
    outcome = run[1]
    diagnosis = check_after(outcome.record, outcome.data, outcome.bundle.specification, {})
    assert "changed-pipeline" not in diagnosis.checked
    assert isinstance(outcome.bundle, Bundle)
