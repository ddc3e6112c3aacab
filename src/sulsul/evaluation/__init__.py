"""Judging predictions: scores, intervals, paired tests, calibration and baselines. No torch, no files."""

from sulsul.evaluation.baselines import (
    BaselineResult,
    BaselineScores,
    LinearBaseline,
    fit_linear_baseline,
    fit_linear_part,
    judge_linear_baseline,
    linear_baselines,
    majority,
)
from sulsul.evaluation.blending import Blend, fit_blend
from sulsul.evaluation.calibration import Calibration, ReliabilityBin, apply_temperature, calibration, fit_temperature
from sulsul.evaluation.intervals import (
    Interval,
    bootstrap_interval,
    macro_f1_interval,
    paired_difference_interval,
    wilson_interval,
)
from sulsul.evaluation.linear_classifier import LinearClassifier, LinearDescription
from sulsul.evaluation.metrics import brier_score, confusion_matrix, log_loss, macro_f1
from sulsul.evaluation.result import ClassScores, Evaluation, evaluate_predictions, predicted_labels
from sulsul.evaluation.significance import McNemarResult, PairedComparison, compare_paired, holm, mcnemar, words

__all__ = [
    "BaselineResult",
    "BaselineScores",
    "Blend",
    "Calibration",
    "ClassScores",
    "Evaluation",
    "Interval",
    "LinearBaseline",
    "LinearClassifier",
    "LinearDescription",
    "McNemarResult",
    "PairedComparison",
    "ReliabilityBin",
    "apply_temperature",
    "bootstrap_interval",
    "brier_score",
    "calibration",
    "compare_paired",
    "confusion_matrix",
    "evaluate_predictions",
    "fit_blend",
    "fit_linear_baseline",
    "fit_linear_part",
    "fit_temperature",
    "holm",
    "judge_linear_baseline",
    "linear_baselines",
    "log_loss",
    "macro_f1",
    "macro_f1_interval",
    "majority",
    "mcnemar",
    "paired_difference_interval",
    "predicted_labels",
    "wilson_interval",
    "words",
]
