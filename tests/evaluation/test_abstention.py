"""Thresholds for a wanted precision."""

import numpy as np
import pytest

from sulsul.evaluation.abstention import confidence, fit_abstention, select_answers

CONFIDENCES = np.array([0.5, 0.9, 0.8, 0.8, 0.6])
CORRECT = np.array([False, True, True, False, True])


def test_the_lowest_threshold_that_reaches_the_precision():
    found = fit_abstention(CORRECT, CONFIDENCES, 0.75)
    assert found is not None
    assert (found.threshold, found.precision, found.coverage, found.n_texts) == (0.6, 0.75, 0.8, 5)
    selected = select_answers(CORRECT, CONFIDENCES, found.threshold)
    assert (selected.n_answered, selected.precision, selected.coverage) == (4, 0.75, 0.8)


def test_texts_of_one_confidence_stay_together():
    found = fit_abstention(CORRECT, CONFIDENCES, 0.9)
    assert found is not None
    assert found.threshold == 0.9  # of the two at 0.8 one is wrong


def test_out_of_reach_there_is_no_threshold():
    assert fit_abstention(~CORRECT, CONFIDENCES, 0.9) is None
    assert fit_abstention(np.zeros(0, bool), np.zeros(0), 0.9) is None
    assert select_answers(CORRECT, CONFIDENCES, 0.95).precision is None


def test_confidence_of_label_sets_is_that_of_the_whole_set():
    given = [[0.9, 0.2], [0.5, 0.5]]
    assert confidence(given, multi_label=True).tolist() == pytest.approx([0.72, 0.25])
    assert confidence(given, multi_label=False).tolist() == [0.9, 0.5]
