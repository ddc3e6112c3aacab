"""The dot-and-interval plot and the reliability diagram."""

import xml.etree.ElementTree as ET

import numpy as np

from sulsul.evaluation.calibration import calibration
from sulsul.report.intervals_plot import contenders, intervals_plot
from sulsul.report.reliability import reliability_plot


def test_contenders_come_best_first(full_record, compare_record, bare_record):
    rows = contenders(full_record)
    assert [row.kind for row in rows].count("model") == 1
    assert [row.score for row in rows] == sorted((row.score for row in rows), reverse=True)
    assert {row.kind for row in contenders(compare_record)} == {"model", "control", "baseline"}
    assert contenders(bare_record) == []


def test_each_contender_has_a_dot_an_interval_and_words(compare_record):
    rows = contenders(compare_record)
    drawing = intervals_plot(rows)
    rendered = drawing.render()
    ET.fromstring(rendered)
    assert rendered.count("<circle") == len(rows)
    assert rendered.count('class="plot-interval ') == len(rows)
    assert "bilstm without recurrence: 0.853 (0.816–0.883)" in drawing.description


def test_reliability_draws_filled_bins_only():
    given = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]])
    rendered = reliability_plot(calibration([0, 1, 1], given)).render()
    ET.fromstring(rendered)
    assert rendered.count("<circle") == 3
