"""Scores checked by hand and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from sulsul.evaluation.metrics import brier_score, confusion_matrix, f1_scores, label_counts, log_loss, macro_f1

CLASSES = 4
ids = st.integers(0, CLASSES - 1)
pairs = st.lists(st.tuples(ids, ids), min_size=1, max_size=60)


def test_confusion_has_truth_in_rows():
    assert confusion_matrix([0, 0, 1], [0, 1, 1], 3).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]


@settings(deadline=None)
@given(pairs)
def test_counts_and_macro_f1_agree_with_scikit_learn(rows):
    true, predicted = np.array(rows).T
    expected = sk.confusion_matrix(true, predicted, labels=range(CLASSES))
    assert (confusion_matrix(true, predicted, CLASSES) == expected).all()
    assert macro_f1(true, predicted, CLASSES) == pytest.approx(sk.f1_score(true, predicted, average="macro"))


def test_macro_f1_leaves_out_a_class_that_neither_occurs_nor_is_predicted():
    assert macro_f1([0, 1], [0, 1], 5) == 1.0
    assert np.isnan(f1_scores([0], [0], [0])).all()


def test_multi_hot_counts_agree_with_scikit_learn():
    rng = np.random.default_rng(1)
    true, predicted = rng.integers(0, 2, (2, 50, 3))
    hits, support, answered = label_counts(true, predicted, 3)
    assert hits.tolist() == (true & predicted).sum(0).tolist()
    assert (support.tolist(), answered.tolist()) == (true.sum(0).tolist(), predicted.sum(0).tolist())
    assert macro_f1(true, predicted, 3) == pytest.approx(sk.f1_score(true, predicted, average="macro"))


def test_log_loss_is_in_nats():
    assert log_loss([0, 1], [[0.5, 0.5], [0.75, 0.25]]) == pytest.approx((np.log(2) + np.log(4)) / 2)
    assert log_loss([[1, 0]], [[0.5, 0.25]]) == pytest.approx((np.log(2) - np.log(0.75)) / 2)


def test_log_loss_of_a_certain_mistake_is_finite():
    certain = np.array([[1.0, 0.0]], dtype=np.float32)
    assert log_loss([1], certain) == pytest.approx(-np.log(np.finfo(np.float32).eps))


def test_log_loss_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(CLASSES), size=100)
    true = rng.integers(0, CLASSES, 100)
    assert log_loss(true, probabilities) == pytest.approx(sk.log_loss(true, probabilities, labels=range(CLASSES)))


def test_brier_score_by_hand():
    # (0.3² + 0.3²) for the first text, (0.9² + 0.9²) for the second
    assert brier_score([0, 1], [[0.7, 0.3], [0.9, 0.1]]) == pytest.approx((0.18 + 1.62) / 2)
    assert brier_score([[1, 0]], [[0.7, 0.3]]) == pytest.approx(0.09)


@pytest.mark.parametrize("bad", [([0, 3], [0, 0]), ([0, -1], [0, 0]), ([0], [0, 0]), ([0.5], [0])])
def test_impossible_class_ids_are_refused(bad):
    with pytest.raises(ValueError, match=r"class ids|texts"):
        confusion_matrix(*bad, 2)


def test_multi_hot_shapes_must_agree():
    with pytest.raises(ValueError, match="multi-hot"):
        label_counts(np.zeros((2, 3)), np.zeros((2, 2)), 3)
