"""Everything that is said about one set of predictions."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from sulsul.errors import DataError
from sulsul.evaluation.calibration import Calibration, calibration
from sulsul.evaluation.intervals import Interval, macro_f1_interval, wilson_interval
from sulsul.evaluation.metrics import (
    FloatArray,
    confusion_matrix,
    f1_scores,
    label_counts,
    log_loss,
    mean_of_present,
)

# Rows of float32 probabilities sum to 1 within rounding; anything further off is not a distribution.
_SUM_TOLERANCE = 1e-3


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassScores(_Frozen):
    """Scores of one class; a score is None where it is undefined (nothing predicted, or nothing to find)."""

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    predicted: int


class Evaluation(_Frozen):
    """Scores of one set of predictions, with 95 % intervals.

    Attributes
    ----------
    n
        Number of texts.
    loss
        Mean log loss, in nats.
    accuracy
        Share of texts classified correctly; for a multi-label task, of texts whose whole set of labels is right.
    accuracy_interval
        Wilson interval.
    macro_f1, macro_f1_interval
        Mean F1 over the classes that occur or are predicted, and its bootstrap percentile interval.
    micro_f1
        F1 over all labels pooled; multi-label tasks only (otherwise it equals accuracy).
    confusion
        Texts by true class (rows) and predicted class (columns); None for a multi-label task.
    majority_class, majority_accuracy
        The most frequent outcome among these texts and the accuracy of always answering it.
    n_predicted_classes
        How many classes are ever predicted.
    prediction_entropy
        Entropy of the distribution of predicted classes, in nats; 0 when every answer is the same.
    collapsed
        Whether every text gets the same answer although the truth varies.
    """

    task: Literal["single-label", "multi-label"]
    n: int
    classes: tuple[str, ...]
    loss: float
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    micro_f1: float | None
    per_class: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...] | None
    majority_class: str
    majority_accuracy: float
    n_predicted_classes: int
    prediction_entropy: float
    collapsed: bool
    calibration: Calibration


def predicted_labels(
    probabilities: ArrayLike, *, multi_label: bool = False, threshold: float | Sequence[float] = 0.5
) -> NDArray[np.int64]:
    """Turn probabilities (B, C) into class ids (B,), or multi-hot (B, C) for a multi-label task.

    The most probable class wins, the first of equals; a label is assigned when its probability exceeds ``threshold``
    (one number, or one per label).
    """
    given = np.asarray(probabilities)
    if multi_label:
        return np.asarray(given > np.asarray(threshold), dtype=np.int64)
    return np.asarray(given.argmax(axis=1), dtype=np.int64)


def evaluate_predictions(
    y_true: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[str],
    *,
    loss: float | None = None,
    seed: int = 0,
    threshold: float | Sequence[float] = 0.5,
) -> Evaluation:
    """Judge probabilities against the truth.

    Parameters
    ----------
    y_true
        Class ids of shape (B,); or multi-hot of shape (B, C), which makes it a multi-label task.
    probabilities
        Shape (B, C); rows sum to 1 unless the task is multi-label.
    classes
        Names of the C classes.
    loss
        Mean log loss in nats where it is known from the logits; computed from the probabilities otherwise.
    seed
        Seed of the bootstrap.
    threshold
        Multi-label only: see :func:`predicted_labels`.

    Raises
    ------
    DataError
        If there are no texts.
    ValueError
        If the shapes do not fit or the probabilities are not probabilities.
    """
    true, given = np.asarray(y_true), np.asarray(probabilities)
    multi_label = true.ndim == 2
    if multi_label:
        true = (true > 0.5).astype(np.int64)
    _check(true, given, len(classes))
    predicted = predicted_labels(given, multi_label=multi_label, threshold=threshold)
    per_class, macro, micro = _class_scores(true, predicted, classes)
    n_correct = int((predicted == true).all(axis=1).sum()) if multi_label else int((predicted == true).sum())
    majority_class, majority_count = _majority(true, classes)
    answers = _frequencies(predicted)
    return Evaluation(
        task="multi-label" if multi_label else "single-label",
        n=len(true),
        classes=tuple(classes),
        loss=log_loss(true, given) if loss is None else float(loss),
        accuracy=n_correct / len(true),
        accuracy_interval=wilson_interval(n_correct, len(true)),
        macro_f1=macro,
        macro_f1_interval=macro_f1_interval(true, predicted, len(classes), seed=seed),
        micro_f1=micro if multi_label else None,
        per_class=per_class,
        confusion=None if multi_label else _as_tuples(confusion_matrix(true, predicted, len(classes))),
        majority_class=majority_class,
        majority_accuracy=majority_count / len(true),
        n_predicted_classes=int((label_counts(predicted, predicted, len(classes))[0] > 0).sum()),
        prediction_entropy=float(-(answers * np.log(answers)).sum()) + 0.0,
        collapsed=len(answers) == 1 and len(_frequencies(true)) > 1,
        calibration=calibration(true, given),
    )


def _check(true: NDArray[Any], given: NDArray[Any], n_classes: int) -> None:
    if not len(true):
        raise DataError("There is nothing to evaluate: no text has a label. Check the file and the label column.")
    if given.ndim != 2 or given.shape != (len(true), n_classes):
        raise ValueError(f"probabilities need shape ({len(true)}, {n_classes}), not {given.shape}")
    values = given.astype(np.float64)
    if not np.isfinite(values).all() or values.min() < -_SUM_TOLERANCE or values.max() > 1.0 + _SUM_TOLERANCE:
        raise ValueError("probabilities must be numbers from 0 to 1")
    if true.ndim == 2:
        if true.shape != given.shape:
            raise ValueError(f"multi-hot truth needs shape {given.shape}, not {true.shape}")
    elif np.abs(values.sum(axis=1) - 1.0).max() > _SUM_TOLERANCE:
        raise ValueError("each row of probabilities must sum to 1")


def _class_scores(
    true: NDArray[Any], predicted: NDArray[np.int64], classes: Sequence[str]
) -> tuple[tuple[ClassScores, ...], float, float]:
    hits, support, answered = label_counts(true, predicted, len(classes))
    f1: FloatArray = f1_scores(hits, support, answered)
    per_class = tuple(
        ClassScores(
            name=name,
            precision=float(hits[c] / answered[c]) if answered[c] else None,
            recall=float(hits[c] / support[c]) if support[c] else None,
            f1=None if np.isnan(f1[c]) else float(f1[c]),
            support=int(support[c]),
            predicted=int(answered[c]),
        )
        for c, name in enumerate(classes)
    )
    pooled = int(support.sum() + answered.sum())
    return per_class, float(mean_of_present(f1)), float(2 * hits.sum() / pooled) if pooled else 0.0


def _majority(true: NDArray[Any], classes: Sequence[str]) -> tuple[str, int]:
    if true.ndim == 1:
        counts = np.bincount(true.astype(np.int64))
        return classes[int(counts.argmax())], int(counts.max())
    sets, set_counts = np.unique(true, axis=0, return_counts=True)
    names = [name for name, present in zip(classes, sets[set_counts.argmax()], strict=True) if present]
    return " + ".join(names) or "(no label)", int(set_counts.max())


def _frequencies(labels: NDArray[Any]) -> FloatArray:
    counts = np.unique(labels, axis=0, return_counts=True)[1]
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def _as_tuples(matrix: NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(value) for value in row) for row in matrix)
