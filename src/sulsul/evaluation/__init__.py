"""Judging predictions: scores, intervals, paired tests, calibration and baselines. No torch, no files."""

from sulsul.evaluation.calibration import Calibration, ReliabilityBin, apply_temperature, calibration, fit_temperature
from sulsul.evaluation.intervals import (
    Interval,
    bootstrap_interval,
    macro_f1_interval,
    paired_difference_interval,
    wilson_interval,
)
from sulsul.evaluation.metrics import brier_score, confusion_matrix, log_loss, macro_f1
from sulsul.evaluation.result import ClassScores, Evaluation, evaluate_predictions, predicted_labels
from sulsul.evaluation.significance import McNemarResult, holm, mcnemar, words

__all__ = [
    "Calibration",
    "ClassScores",
    "Evaluation",
    "Interval",
    "McNemarResult",
    "ReliabilityBin",
    "apply_temperature",
    "bootstrap_interval",
    "brier_score",
    "calibration",
    "confusion_matrix",
    "evaluate_predictions",
    "fit_temperature",
    "holm",
    "log_loss",
    "macro_f1",
    "macro_f1_interval",
    "mcnemar",
    "paired_difference_interval",
    "predicted_labels",
    "wilson_interval",
    "words",
]
