"""A run that learned nothing but which class is the most frequent."""

from collections.abc import Iterator

from sulsul.doctor.quoting import percent
from sulsul.doctor.run.evidence import RunEvidence
from sulsul.findings import Finding

_ALL_BUT_NONE = 0.98


def find_majority_only(evidence: RunEvidence) -> Iterator[Finding]:
    """Find predictions that are the majority class, or no better than it."""
    evaluation = evidence.headline
    if evaluation is None or evaluation.majority_accuracy == 1.0:
        return
    answers = {scores.name: scores.predicted for scores in evaluation.per_class}
    most = max(answers, key=lambda name: answers[name])
    share = answers[most] / max(1, sum(answers.values()))
    same = evaluation.collapsed or (share >= _ALL_BUT_NONE and evaluation.majority_accuracy < _ALL_BUT_NONE - 0.05)
    beaten = evaluation.accuracy_interval[0] > evaluation.majority_accuracy
    if beaten and not same:
        return
    if evaluation.task == "multi-label" and not evaluation.collapsed:
        return
    if not same:
        said = f"The run is not shown to beat always answering “{evaluation.majority_class}”."
    elif most == evaluation.majority_class:
        said = f"The run learned only the majority class: {percent(share)} of the answers are “{most}”."
    else:
        said = f"The run gives nearly every text one answer, and not the majority's: {percent(share)} are “{most}”."
    yield Finding(
        check="majority-only",
        severity="error" if same else "warning",
        what=f"{said} Accuracy {evaluation.accuracy:.3f}; always answering “{evaluation.majority_class}” gives "
        f"{evaluation.majority_accuracy:.3f}.",
        why="An accuracy that sounds like learning is only the share of the largest class.",
        remedy="Look at the findings on the set-up first (padding, learning rate); then try "
        "--set training.class_weight=balanced, or a higher --set training.learning_rate.",
        evidence={
            "accuracy": round(evaluation.accuracy, 4),
            "majority_accuracy": round(evaluation.majority_accuracy, 4),
            "answers": answers,
            "prediction_entropy_nats": round(evaluation.prediction_entropy, 4),
            "epochs_at_the_majority_share": _epochs_at_majority(evidence),
        },
    )


def _epochs_at_majority(evidence: RunEvidence) -> list[int]:
    """Return the epochs whose validation accuracy is exactly the share of the largest class."""
    validation, training = evidence.record.evaluations.get("validation"), evidence.record.training
    if validation is None or training is None:
        return []
    share = validation.majority_accuracy
    return [r.epoch for r in training.history if r.val_accuracy is not None and abs(r.val_accuracy - share) < 1e-6]
