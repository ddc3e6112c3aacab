"""The verdict says what the figures say, also where that is unwelcome."""

import numpy as np
import pytest

from sulsul.evaluation import compare_paired, evaluate_predictions
from sulsul.report.verdict import verdict


def judged(record, true, given, correct_baseline=None, accuracy=None):
    """Return the verdict on probabilities against one linear baseline."""
    evaluation = evaluate_predictions(true, given, ["a", "b"])
    linear = next(b for b in record.baselines if b.name == "tfidf-char")
    changes = {"evaluations": {"test": evaluation}, "baselines": (), "paired": ()}
    if correct_baseline is not None:
        changes["baselines"] = (linear.model_copy(update={"accuracy": float(np.mean(correct_baseline))}),)
        ours = given.argmax(axis=1) == true
        changes["paired"] = compare_paired("ours", ours, {linear.title: correct_baseline})
    return verdict(record.model_copy(update=changes))


def predictions(true, n_wrong, confidence=0.9):
    answer = true.copy()
    answer[:n_wrong] = 1 - answer[:n_wrong]
    return np.where(answer[:, None] == np.arange(2), confidence, 1 - confidence)


TRUE = np.tile([0, 1], 250)


def right_except(n_wrong):
    return np.arange(len(TRUE)) >= n_wrong


def test_indistinguishable_from_the_linear_baseline(full_record):
    result = judged(full_record, TRUE, predictions(TRUE, 50), right_except(55))
    assert result.tone == "alike"
    assert result.sentence == (
        "Accuracy 0.900 (95 % 0.871–0.923) on 500 test texts; the strongest baseline (TF-IDF characters 1–4, linear) "
        "reaches 0.890 in 3.8 s: the network is not distinguishable from it on 500 texts (p = 0.062)."
    )


def test_worse_than_the_linear_baseline_is_said(full_record):
    result = judged(full_record, TRUE, predictions(TRUE, 100), right_except(20))
    assert result.tone == "worse"
    assert result.label == "Worse than a baseline"
    assert "the network is worse by 16.0 points on 500 texts (p < 0.001)" in result.sentence


def test_better_than_the_linear_baseline(full_record):
    result = judged(full_record, TRUE, predictions(TRUE, 20), right_except(100))
    assert result.tone == "better"
    assert "better by 16.0 points" in result.sentence


def test_a_collapse_is_called_nothing_learned(full_record):
    always = np.tile([0.9, 0.1], (len(TRUE), 1))
    result = judged(full_record, TRUE, always, right_except(100))
    assert (result.tone, result.label) == ("collapsed", "Nothing learned")
    assert "the same answer" in result.sentence
    assert "always answering “a” reaches 0.500" in result.sentence


def test_no_better_than_the_majority_is_called_useless(full_record):
    result = judged(full_record, TRUE, predictions(TRUE, 245))
    assert result.tone == "useless"
    assert "not shown to be better than that" in result.sentence


def test_the_paired_test_decides_whether_the_majority_is_beaten(full_record):
    true = np.array([0] * 90 + [1] * 10)
    given = predictions(true, 0)
    given[-4:] = [0.9, 0.1]  # 0.96 against 0.90: the interval 0.902–0.984 barely excludes it
    ours = given.argmax(axis=1) == true
    majority = full_record.baselines[0]
    paired = compare_paired("ours", ours, {majority.title: true == 0})
    record = full_record.model_copy(
        update={
            "evaluations": {"test": evaluate_predictions(true, given, ["a", "b"])},
            "baselines": (majority,),
            "paired": paired,
        }
    )
    assert paired[0].p_value == pytest.approx(2 / 2**6)
    assert verdict(record).tone == "plain"
    half = paired[0].model_copy(update={"adjusted_p_value": 0.2})
    assert verdict(record.model_copy(update={"paired": (half,)})).tone == "useless"


def test_without_a_baseline_nothing_is_claimed(full_record):
    result = judged(full_record, TRUE, predictions(TRUE, 20))
    assert result.tone == "plain"
    assert "no linear baseline was computed" in result.sentence


def test_without_a_paired_test_the_interval_decides(full_record):
    record = full_record.model_copy(update={"paired": ()})
    assert verdict(record).tone == "alike"
    assert "within the interval" in verdict(record).sentence
    behind = record.model_copy(update={"baselines": record.baselines[:2]})
    assert verdict(behind).tone == "better"


def test_small_test_sets_are_pointed_out(full_record):
    few = TRUE[:40]
    result = judged(full_record, few, predictions(few, 4))
    assert any("With 40 texts accuracy is known only to about ±" in caveat for caveat in result.caveats)


def test_validation_and_training_scores_carry_a_warning(full_record):
    validation = full_record.model_copy(update={"evaluations": {"validation": full_record.evaluations["validation"]}})
    assert any("chose the epoch" in caveat for caveat in verdict(validation).caveats)
    train = full_record.model_copy(update={"evaluations": {"train": full_record.evaluations["test"]}})
    assert any("trained on" in caveat for caveat in verdict(train).caveats)


def test_classes_that_are_never_predicted_are_named(full_record):
    true = np.array([0, 1, 2] * 40)
    given = np.tile([0.6, 0.3, 0.1], (120, 1))
    given[1::3] = [0.3, 0.6, 0.1]
    evaluation = evaluate_predictions(true, given, ["가", "나", "다"])
    record = full_record.model_copy(update={"evaluations": {"test": evaluation}})
    assert "Never predicted: 다." in verdict(record).caveats


def test_left_out_classes_are_counted(full_record):
    assert any("507 rows of other classes" in caveat for caveat in verdict(full_record).caveats)


def test_nothing_evaluated(bare_record):
    assert verdict(bare_record).sentence == "Nothing was evaluated."


def test_a_comparison_names_the_best_and_its_strongest_baseline(compare_record):
    result = verdict(compare_record)
    assert result.tone == "alike"
    assert result.sentence == (
        "bilstm is the best model, accuracy 0.857 (95 % 0.821–0.887) on 428 texts; the strongest baseline, "
        "TF-IDF characters 1–4, linear, reaches 0.853: not distinguishable."
    )
    assert result.caveats[0].startswith("Word order does not matter here")


@pytest.mark.parametrize(("accuracy", "tone"), [(0.95, "worse"), (0.60, "better")])
def test_a_comparison_says_when_the_baseline_differs(compare_record, accuracy, tone):
    comparison = compare_record.comparison
    rows = tuple(
        row.model_copy(update={"accuracy": accuracy, "p_value": 0.001}) if row.name.startswith("TF-IDF") else row
        for row in comparison.rows
    )
    changed = compare_record.model_copy(update={"comparison": comparison.model_copy(update={"rows": rows})})
    assert verdict(changed).tone == tone


def test_a_comparison_without_baselines_is_plain(compare_record):
    comparison = compare_record.comparison
    rows = tuple(row for row in comparison.rows if row.kind != "baseline")
    changed = compare_record.model_copy(update={"comparison": comparison.model_copy(update={"rows": rows})})
    assert verdict(changed).tone == "plain"


def test_a_best_model_that_does_not_beat_one_answer_is_useless(compare_record):
    comparison = compare_record.comparison
    rows = tuple(
        row.model_copy(update={"accuracy": 0.85, "p_value": 0.4}) if row.name == "Majority class" else row
        for row in comparison.rows
    )
    changed = compare_record.model_copy(update={"comparison": comparison.model_copy(update={"rows": rows})})
    result = verdict(changed)
    assert result.tone == "useless"
    assert "always the same answer reaches 0.850" in result.sentence


def test_a_comparison_says_who_learned_nothing_and_how_the_best_was_chosen(compare_record):
    caveats = verdict(compare_record).caveats
    assert "Not shown to beat always the same answer: simple-rnn." in caveats
    assert caveats[-1] == "The best model was chosen by its accuracy on these texts."


def test_a_model_that_turned_out_better_than_the_chosen_one_is_named(compare_record):
    comparison = compare_record.comparison
    rows = tuple(
        row.model_copy(update={"accuracy": 0.9, "p_value": 0.001}) if row.name == "simple-rnn" else row
        for row in comparison.rows
    )
    changed = compare_record.model_copy(update={"comparison": comparison.model_copy(update={"rows": rows})})
    result = verdict(changed)
    assert result.sentence.startswith("bilstm is the best model")
    assert "Better than it on these texts: simple-rnn." in result.caveats
