"""What the scores of a run say about themselves."""

from collections.abc import Iterator

import numpy as np

from sulsul.doctor.quoting import count, percent
from sulsul.doctor.run.evidence import RunEvidence
from sulsul.findings import Finding
from sulsul.report.record import Split

_HIDDEN, _FEWEST = 0.1, 5
_SURE = 0.1
_RARE_CLASS, _F1_GAIN = 0.3, 0.03


def find_neglected_classes(evidence: RunEvidence) -> Iterator[Finding]:
    """Find classes that accuracy hides: never answered, or much worse than the rest."""
    evaluation = evidence.headline
    if evaluation is None or evaluation.task != "single-label":
        return
    if evaluation.accuracy_interval[0] <= evaluation.majority_accuracy:
        return  # that nothing was learned is said elsewhere
    never = [row.name for row in evaluation.per_class if row.support >= _FEWEST and not row.predicted]
    gap = evaluation.accuracy - evaluation.macro_f1
    if gap < _HIDDEN and not never:
        return
    worst = sorted((row for row in evaluation.per_class if row.support), key=lambda row: row.f1 or 0.0)[:5]
    yield Finding(
        check="neglected-classes",
        severity="warning",
        what=f"Accuracy is {evaluation.accuracy:.3f}, macro-F1 {evaluation.macro_f1:.3f}"
        + (f"; never answered: {', '.join(never[:5])}" if never else "")
        + ".",
        why="Accuracy counts texts, so large classes hide small ones that are hardly ever found.",
        remedy="Report macro-F1; try --set training.class_weight=balanced and --set training.monitor=val_macro_f1.",
        evidence={"worst_f1": {row.name: round(row.f1 or 0.0, 4) for row in worst}, "never_answered": list(never)},
    )


def find_overconfidence(evidence: RunEvidence) -> Iterator[Finding]:
    """Find probabilities that are far from the frequencies they promise."""
    evaluation = evidence.headline
    if evaluation is None or evaluation.n < 100 or evaluation.calibration.ece < _SURE:
        return
    yield Finding(
        check="overconfidence",
        severity="note",
        what=f"Probabilities are off by {evaluation.calibration.ece * 100:.0f} points on average (calibration error).",
        why="A probability of 0.95 is then not right in 95 of 100 cases; rules such as “ask a person below 0.9” fail.",
        remedy="Stop earlier, or use more dropout or weight decay; do not use the probabilities as they are.",
        evidence={"calibration_error": round(evaluation.calibration.ece, 4), "texts": evaluation.n},
    )


def find_suspicious_equality(evidence: RunEvidence) -> Iterator[Finding]:
    """Find a validation score that equals the training score to the last digit."""
    train, validation = evidence.record.evaluations.get("train"), evidence.record.evaluations.get("validation")
    if train is None or validation is None or train.n < 50 or validation.n < 50:
        return
    if abs(train.loss - validation.loss) > 1e-4 or abs(train.accuracy - validation.accuracy) > 1e-4:
        return
    yield Finding(
        check="validation-copied",
        severity="warning",
        what=f"Loss and accuracy on the validation texts ({validation.loss:.4f}, {validation.accuracy:.4f}) are those "
        "on the training texts.",
        why="Independent texts never agree so closely: the validation texts are probably training texts.",
        remedy="Check how the validation file was made.",
        evidence={"train_loss": train.loss, "validation_loss": validation.loss},
    )


def find_validation_as_result(evidence: RunEvidence) -> Iterator[Finding]:
    """Find a headline score on the very texts that chose the epoch."""
    if evidence.record.headline_split != "validation" or evidence.record.training is None:
        return
    yield Finding(
        check="test-as-validation",
        severity="note",
        what="There are no test texts: the score is that on the validation texts, which also chose the epoch.",
        why="The best of several epochs on these texts is a little better on them than on others.",
        remedy="Keep test texts back: --set split.test=0.1",
        evidence={"epochs": len(evidence.record.training.history)},
    )


def find_poor_threshold(evidence: RunEvidence) -> Iterator[Finding]:
    """Find a rare class that a threshold other than 0.5, chosen on validation texts, would serve better."""
    split: Split = "validation"
    truth, given = evidence.truth(split), evidence.probabilities.get(split)
    if truth is None or given is None or given.shape[1] != 2:
        return
    share = float(truth.mean())
    rare = 1 if share <= 0.5 else 0
    if min(share, 1 - share) > _RARE_CLASS or int((truth == rare).sum()) < 2 * _FEWEST:
        return
    best, threshold, plain = _best_threshold(truth == rare, given[:, rare])
    if best - plain < _F1_GAIN:
        return
    name = evidence.record.data.classes[rare]
    yield Finding(
        check="threshold",
        severity="note",
        what=f"“{name}” is {percent(min(share, 1 - share))} of the validation texts; answered from a probability of "
        f"{threshold:.2f} on instead of 0.5 its F1 there is {best:.3f} instead of {plain:.3f}.",
        why="With unequal classes 0.5 is rarely the best place to decide.",
        remedy="Decide by the probabilities that sulsul predict writes, with a threshold chosen on validation texts, "
        "never on test texts; or train with --set training.class_weight=balanced.",
        evidence={"class": name, "threshold": round(threshold, 3), "f1": round(best, 4), "f1_at_half": round(plain, 4)},
    )


def find_help_of_copies(evidence: RunEvidence) -> Iterator[Finding]:
    """Compare the score with and without the texts whose copy is in the training split."""
    from sulsul.doctor.data.duplicates import copies_in_training
    from sulsul.doctor.data.evidence import DataEvidence

    split = evidence.record.headline_split
    if split is None or split in ("train", "data") or evidence.prepared is None:
        return
    truth, given = evidence.truth(split), evidence.probabilities.get(split)
    if truth is None or given is None:
        return
    rows = {name: part.rows for name, part in evidence.prepared.splits.items()}
    copied = np.isin(rows[split], copies_in_training(DataEvidence(evidence.prepared.corpus, rows), rows[split]))
    if int(copied.sum()) < _FEWEST or copied.all():
        return
    right = given.argmax(axis=1) == truth
    with_copies, without = float(right.mean()), float(right[~copied].mean())
    if with_copies - without < 0.001:
        return
    yield Finding(
        check="duplicates",
        severity="warning" if with_copies - without >= 0.01 else "note",
        what=f"{count(int(copied.sum()), f'{split} text')} have a copy in training; without them accuracy is "
        f"{without:.4f} instead of {with_copies:.4f}.",
        why="A text seen in training is recognised, not classified.",
        remedy="Remove the copies from the data before splitting.",
        evidence={
            "copies": int(copied.sum()),
            "accuracy": round(with_copies, 4),
            "accuracy_without_copies": round(without, 4),
        },
    )


def _best_threshold(positive: np.ndarray, probability: np.ndarray) -> tuple[float, float, float]:
    """Return the best F1, its threshold, and the F1 at 0.5."""
    order = np.argsort(-probability, kind="stable")
    hits = np.cumsum(positive[order])
    f1 = 2.0 * hits / (np.arange(1, len(order) + 1) + int(positive.sum()))
    # Texts of one probability are answered alike: only the last of them can be a threshold.
    values = probability[order]
    ends = np.append(values[:-1] != values[1:], True)
    at = int(np.flatnonzero(ends)[f1[ends].argmax()])
    n_half = int((probability >= 0.5).sum())
    plain = float(f1[n_half - 1]) if n_half else 0.0
    return float(f1[at]), float(values[at]), plain
