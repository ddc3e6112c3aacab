import numpy as np
import pytest

from sulsul.evaluation.label_noise import doubt_labels, estimate_wrong_share


def test_a_label_is_doubted_when_the_text_counts_as_another_class():
    given = np.array([0, 0, 0, 1, 1, 1])
    second = np.array([0.1, 0.2, 0.9, 0.8, 0.7, 0.3])
    doubts = doubt_labels(given, np.stack([1 - second, second], axis=1))
    # Thresholds: 0.6 for class 0 and 0.6 for class 1; the third text counts as 1 and the last as 0.
    assert doubts.ranked().tolist() == [2, 5]
    assert doubts.suggested.tolist() == [1, 1, 1, 0, 0, 0]
    assert doubts.margin == pytest.approx([-0.8, -0.6, 0.8, -0.6, -0.4, 0.4])
    assert doubts.probability[[2, 5]] == pytest.approx([0.9, 0.7])


def test_a_class_is_judged_by_what_is_usual_for_it():
    # Nobody is sure of class 2; 0.4 is much for it. The first text is labelled 0 and half sure of it.
    given = np.array([0, 0, 2, 2])
    probabilities = np.array([[0.3, 0.3, 0.4], [0.9, 0.05, 0.05], [0.5, 0.1, 0.4], [0.6, 0.1, 0.3]])
    doubts = doubt_labels(given, probabilities)
    assert doubts.doubted.tolist() == [True, False, False, True]
    assert doubts.suggested[0] == 2


def test_label_sets_are_judged_label_by_label():
    given = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], np.float32)
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9], [0.2, 0.2], [0.1, 0.8]])
    doubts = doubt_labels(given, probabilities)
    assert doubts.doubted.tolist() == [False, True, False, False]
    assert doubts.suggested[1].tolist() == [0, 1]
    assert doubts.probability[1] == pytest.approx(0.9)
    assert doubts.margin[1] == pytest.approx(0.8)


def test_the_share_is_that_among_the_surest_answers():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 2000)
    second = np.where(truth == 1, 1.0, 0.0) + rng.normal(0, 0.3, 2000)
    second = np.clip(second, 0.01, 0.99)
    given = np.where(rng.random(2000) < 0.1, 1 - truth, truth)
    found = estimate_wrong_share(given, np.stack([1 - second, second], axis=1))
    assert found.n == 200
    assert found.interval[0] < 0.1 < found.interval[1]
    hot = np.stack([given, given], axis=1).astype(np.float32)
    sets = estimate_wrong_share(hot, np.stack([second, second], axis=1))
    assert sets.n == 400
    assert sets.share == pytest.approx(found.share)


def test_of_too_few_labels_there_is_no_share():
    assert estimate_wrong_share(np.array([0, 1]), np.array([[0.9, 0.1], [0.1, 0.9]])) is None
