"""One evaluation, worked by hand, and what it refuses."""

import numpy as np
import pytest
from sklearn.metrics import classification_report, f1_score

from sulsul.errors import DataError
from sulsul.evaluation.intervals import wilson_interval
from sulsul.evaluation.result import Evaluation, evaluate_predictions, predicted_labels

PROBABILITIES = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.3, 0.2]])
TRUE = np.array([0, 1, 1, 0])


def test_single_label_by_hand():
    result = evaluate_predictions(TRUE, PROBABILITIES, ["행정", "경제", "복지"])
    assert (result.task, result.n, result.accuracy) == ("single-label", 4, 0.75)
    assert result.accuracy_interval == wilson_interval(3, 4)
    assert result.confusion == ((2, 0, 0), (1, 1, 0), (0, 0, 0))
    assert result.loss == pytest.approx(-np.log([0.8, 0.3, 0.7, 0.5]).mean())
    assert result.macro_f1 == pytest.approx((0.8 + 2 / 3) / 2)
    assert result.micro_f1 is None
    first, _, third = result.per_class
    assert (first.name, first.support, first.predicted) == ("행정", 2, 3)
    assert (first.precision, first.recall) == (pytest.approx(2 / 3), 1.0)
    assert (third.precision, third.recall, third.f1, third.support) == (None, None, None, 0)
    assert (result.majority_class, result.majority_accuracy) == ("행정", 0.5)
    assert result.n_predicted_classes == 2
    assert result.prediction_entropy == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert not result.collapsed


def test_per_class_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 200)
    probabilities = rng.dirichlet(np.ones(3), size=200)
    names = ["a", "b", "c"]
    result = evaluate_predictions(true, probabilities, names)
    expected = classification_report(true, probabilities.argmax(1), target_names=names, output_dict=True)
    for scores in result.per_class:
        theirs = expected[scores.name]
        assert scores.precision == pytest.approx(theirs["precision"])
        assert scores.recall == pytest.approx(theirs["recall"])
        assert scores.f1 == pytest.approx(theirs["f1-score"])
    low, high = result.macro_f1_interval
    assert low < result.macro_f1 < high


def test_one_answer_for_every_text_is_a_collapse():
    result = evaluate_predictions([0, 0, 1], [[0.6, 0.4]] * 3, ["a", "b"])
    assert result.collapsed
    assert result.prediction_entropy == 0.0
    assert result.accuracy == result.majority_accuracy


def test_one_class_in_the_truth_is_no_collapse():
    assert not evaluate_predictions([0, 0], [[0.6, 0.4]] * 2, ["a", "b"]).collapsed


def test_multi_label_by_hand():
    true = np.array([[1, 1], [1, 0], [0, 0]], dtype=np.float32)
    probabilities = np.array([[0.9, 0.8], [0.7, 0.6], [0.1, 0.2]], dtype=np.float32)
    result = evaluate_predictions(true, probabilities, ["버스", "도로"])
    assert (result.task, result.confusion) == ("multi-label", None)
    assert result.accuracy == pytest.approx(2 / 3)  # whole sets
    predicted = predicted_labels(probabilities, multi_label=True)
    assert result.macro_f1 == pytest.approx(f1_score(true, predicted, average="macro"))
    assert result.micro_f1 == pytest.approx(f1_score(true, predicted, average="micro"))
    assert result.n_predicted_classes == 2


def test_multi_label_thresholds_may_differ_by_label():
    predicted = predicted_labels([[0.4, 0.4]], multi_label=True, threshold=[0.3, 0.5])
    assert predicted.tolist() == [[1, 0]]
    result = evaluate_predictions([[0, 0], [1, 0]], [[0.4, 0.4]] * 2, ["a", "b"], threshold=[0.3, 0.5])
    assert result.majority_class in {"a", "(no label)"}
    assert result.collapsed


def test_a_given_loss_is_kept():
    assert evaluate_predictions(TRUE, PROBABILITIES, list("abc"), loss=1.25).loss == 1.25


def test_json_round_trip():
    result = evaluate_predictions(TRUE, PROBABILITIES, ["행정", "경제", "복지"])
    assert Evaluation.model_validate_json(result.model_dump_json()) == result


def test_no_texts_are_refused_with_advice():
    with pytest.raises(DataError, match="label column"):
        evaluate_predictions(np.zeros(0, int), np.zeros((0, 2)), ["a", "b"])


@pytest.mark.parametrize(
    ("true", "probabilities", "message"),
    [
        ([0], [[0.5, 0.4]], "sum to 1"),
        ([0], [[1.5, -0.5]], "from 0 to 1"),
        ([0], [[np.nan, 0.5]], "from 0 to 1"),
        ([0], [[1.0]], "shape"),
        ([0, 1], [[0.5, 0.5]], "shape"),
        ([[1, 0, 0]], [[0.5, 0.5]], "shape"),
        ([2], [[0.5, 0.5]], "class ids"),
    ],
)
def test_what_is_no_distribution_is_refused(true, probabilities, message):
    with pytest.raises(ValueError, match=message):
        evaluate_predictions(true, probabilities, ["a", "b"])
