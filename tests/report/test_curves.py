"""Curves: one polyline per series, the kept epoch marked, odd histories survived."""

import xml.etree.ElementTree as ET

from sulsul.report.curves import accuracy_curve, curves_svg, loss_curve
from sulsul.report.record import EpochRow, TrainingSummary


def training(*rows):
    return TrainingSummary(history=rows, best_epoch=1, kept_epoch=1, stopped="finished", seconds=1.0)


def test_both_series_and_the_kept_epoch_are_drawn(full_record):
    drawing = loss_curve(full_record.training)
    lines = [element for element in drawing.elements if element.startswith("<polyline")]
    assert ["plot-training" in lines[0], "plot-validation" in lines[1]] == [True, True]
    assert lines[0].count(",") == 12
    assert sum("plot-mark" in element for element in drawing.elements) == 1
    assert "12 epochs: training loss" in drawing.description


def test_the_majority_line_is_named(full_record):
    rendered = accuracy_curve(full_record.training, majority=0.52).render()
    assert "majority class" in rendered


def test_a_history_without_validation_draws_training_alone():
    drawing = loss_curve(training(EpochRow(epoch=1, loss=0.7), EpochRow(epoch=2, loss=0.6)))
    assert sum(element.startswith("<polyline") for element in drawing.elements) == 1


def test_one_epoch_and_a_constant_loss_are_drawn():
    drawing = loss_curve(training(EpochRow(epoch=1, loss=0.0, val_loss=0.0)))
    assert "nan" not in drawing.render()


def test_the_file_is_one_svg_with_hangul_as_text(full_record):
    file = curves_svg(full_record.training, title="서울 120 민원", majority=0.5)
    root = ET.fromstring(file)
    assert root.tag.endswith("svg")
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "서울 120 민원" in texts
    assert "Malgun Gothic" in file
    assert "http" not in file.replace("http://www.w3.org/2000/svg", "")


def test_an_interruption_before_the_first_epoch_leaves_an_empty_drawing():
    nothing = TrainingSummary(history=(), best_epoch=0, kept_epoch=0, stopped="interrupted", seconds=0.1)
    assert "no epoch was finished" in curves_svg(nothing, title="empty")
    without_accuracy = training(EpochRow(epoch=1, loss=0.5))
    assert "not recorded" in accuracy_curve(without_accuracy).render()
