"""What the course of training shows: no progress, the wrong epoch kept, memorising."""

import math
from collections.abc import Iterator
from typing import Literal

from sulsul.doctor.run.evidence import RunEvidence
from sulsul.findings import Finding
from sulsul.report.record import EpochRow

_NO_PROGRESS, _FEWEST_EPOCHS = 0.02, 3
_MEMORISED = 0.15
_GAIN = 0.01

Score = Literal["val_accuracy", "val_macro_f1"]


def find_no_progress(evidence: RunEvidence) -> Iterator[Finding]:
    """Find a training loss that is not a number, or hardly falls."""
    training = evidence.record.training
    if training is None or len(training.history) < _FEWEST_EPOCHS:
        return
    losses = [row.loss for row in training.history]
    finite = all(map(math.isfinite, losses))
    fallen = 1.0 - min(losses) / losses[0] if finite and losses[0] > 0 else 0.0
    knows_nothing = min(losses) >= (1.0 - _NO_PROGRESS) * _prior_loss(evidence)
    if finite and (fallen >= _NO_PROGRESS or not knows_nothing):
        return
    rate = evidence.specification.training.learning_rate
    yield Finding(
        check="training-stalled",
        severity="warning",
        what=f"The training loss did not fall: {losses[0]:.4f} in epoch 1, {min(losses):.4f} at best in "
        f"{len(losses)} epochs."
        if finite
        else "The training loss is not a number.",
        why="The network learned nothing but how frequent each class is.",
        remedy=f"Try another learning rate than {rate:g}: --set training.learning_rate=0.002; check the findings on "
        "padding.",
        evidence={"losses": [round(loss, 5) for loss in losses[:20]], "learning_rate": rate},
    )


def find_worse_epoch_kept(evidence: RunEvidence) -> Iterator[Finding]:
    """Find weights of another epoch than the best, where training was not to end with the last."""
    training = evidence.record.training
    if training is None or training.kept_epoch == training.best_epoch:
        return
    if evidence.specification.training.ends_as_planned:
        return
    kept, best = (_row(evidence, epoch) for epoch in (training.kept_epoch, training.best_epoch))
    if kept is None or best is None:
        return
    monitor = training.monitor
    then, now = getattr(best, monitor, None), getattr(kept, monitor, None)
    yield Finding(
        check="last-epoch-kept",
        severity="warning",
        what=f"The weights are those of epoch {kept.epoch} ({monitor} {_figure(now)}); the best was epoch {best.epoch} "
        f"({_figure(then)}).",
        why="The network that is judged and used is a worse one than training had already found.",
        remedy="--set training.keep=best",
        evidence={"kept_epoch": kept.epoch, "best_epoch": best.epoch, f"{monitor}_kept": now, f"{monitor}_best": then},
    )


def find_other_metric(evidence: RunEvidence) -> Iterator[Finding]:
    """Find an epoch that is clearly better by the score that is reported than the one that was chosen."""
    training = evidence.record.training
    if training is None or (chosen := _row(evidence, training.kept_epoch)) is None:
        return
    if evidence.specification.training.keep == "last":  # nothing chose it
        return
    scores: tuple[Score, ...] = ("val_macro_f1", "val_accuracy")
    for score in scores:
        value = getattr(chosen, score)
        others = [(getattr(row, score), row.epoch) for row in training.history if getattr(row, score) is not None]
        if value is None or not others or training.monitor == score:
            continue
        top, epoch = max(others, key=lambda item: (item[0], -item[1]))
        if top - value < _GAIN:
            continue
        yield Finding(
            check="monitored-metric",
            severity="note",
            what=f"By {training.monitor} epoch {chosen.epoch} was chosen ({score} {value:.3f}); by {score} it would be "
            f"epoch {epoch} ({top:.3f}).",
            why="The loss rises when a network grows too sure, while its answers still improve: what is watched should "
            "be what is reported.",
            remedy=f"--set training.monitor={score}",
            evidence={"monitor": training.monitor, score: round(value, 4), f"best_{score}": round(top, 4)},
        )
        return


def find_memorising(evidence: RunEvidence) -> Iterator[Finding]:
    """Find a network that is far better on its training texts than on others."""
    train, headline = evidence.record.evaluations.get("train"), evidence.headline
    if train is None or headline is None or evidence.record.headline_split == "train":
        return
    gap = train.accuracy - headline.accuracy
    if gap < _MEMORISED:
        return
    yield Finding(
        check="overfitting",
        severity="note",
        what=f"Accuracy is {train.accuracy:.3f} on the training texts and {headline.accuracy:.3f} on the "
        f"{evidence.record.headline_split} texts.",
        why="The network remembers its texts rather than what they have in common.",
        remedy="Use more texts, more dropout or fewer units (--set model.units=32); more epochs will not help.",
        evidence={"train_accuracy": round(train.accuracy, 4), "accuracy": round(headline.accuracy, 4)},
    )


def _prior_loss(evidence: RunEvidence) -> float:
    """Return the loss of always answering with the class frequencies of the training split, in nats."""
    counts = evidence.record.data.class_counts.get("train", ())
    total = sum(counts)
    if not total or len(counts) < 2:
        return 0.0
    return -sum(n / total * math.log(n / total) for n in counts if n)


def _row(evidence: RunEvidence, epoch: int) -> EpochRow | None:
    training = evidence.record.training
    return None if training is None else next((row for row in training.history if row.epoch == epoch), None)


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
