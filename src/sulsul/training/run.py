"""The state of a training run while it is running."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sulsul.batching import BatchSampler, EncodedCorpus, thin_batches
from sulsul.batching.mapped import PageKeeper
from sulsul.model.classifier import Classifier
from sulsul.training.checkpoint import (
    CheckpointHeader,
    Position,
    RunningTotals,
    TrainingState,
    check_same_network,
    check_same_run,
    run_fingerprint,
    save_checkpoint,
)
from sulsul.training.checks import check_loss
from sulsul.training.class_weights import class_weights
from sulsul.training.early_stopping import EarlyStopping
from sulsul.training.history import EpochRecord
from sulsul.training.result import Stopped, TrainingResult
from sulsul.training.schedule import Schedule
from sulsul.training.settings import TrainingSettings
from sulsul.training.step import Rows, StepOutcome, StepRunner
from sulsul.training.step_choice import choose_step_runner
from sulsul.training.validation import ValidationScores
from sulsul.training.workers import Workers

_MOST_OFFERED = 1024
"""Batches offered to the step runner at a time; preparing them takes some 0.5 ms."""


@dataclass(frozen=True)
class BatchReport:
    """How far an epoch has come: ``batch`` of ``n_batches`` are done, with this mean loss and accuracy so far."""

    epoch: int
    n_epochs: int
    batch: int
    n_batches: int
    loss: float
    accuracy: float


class StepPlan(NamedTuple):
    """Batches of a corpus to train on one after another, each with its learning rate."""

    corpus: EncodedCorpus
    batches: list[Rows]
    learning_rates: list[float]


@dataclass(frozen=True)
class _BestWeights:
    epoch: int
    tensors: Mapping[str, Tensor]


class Run:
    """Everything that changes from step to step, and how it is saved and put back.

    Attributes
    ----------
    epoch, batch, step
        The batch to train on next: epoch from 1, batch from 0 within it, and the number of steps taken.
    history
        One record per finished epoch.
    """

    def __init__(
        self,
        classifier: Classifier,
        train: EncodedCorpus,
        validation: EncodedCorpus | None,
        settings: TrainingSettings,
        *,
        classes: tuple[str, ...],
        step_runner: StepRunner | None,
        workers: Workers | None = None,
        unlabelled: EncodedCorpus | None = None,
        checkpoint_path: Path | None,
        checkpoint_interval_s: float,
    ) -> None:
        assert train.class_ids is not None
        self.classifier = classifier
        self.train = train
        self.validation = validation
        self.unlabelled = unlabelled
        self.settings = settings
        self.sampler = BatchSampler(
            train.lengths, settings.batch_size, seed=settings.seed, bucket=settings.bucket, shuffle=True
        )
        self.stopping = EarlyStopping(settings, has_validation=validation is not None)
        n_steps = settings.epochs * len(self.sampler)
        self.schedule = Schedule(settings, n_steps=n_steps, maximise=self.stopping.maximise)
        weights = class_weights(settings, train.class_ids, classes)
        self.step_runner = step_runner or choose_step_runner(classifier, settings, weights, workers, unlabelled)
        self.workers = workers
        self.epoch, self.batch, self.step = 1, 0, 0
        self.history: list[EpochRecord] = []
        self._totals = RunningTotals()
        self._pages = PageKeeper(train.token_ids, train.types)
        self._best = _BestWeights(0, {})
        self._n_offered = 1
        self._classes = classes
        self._checkpoint_path = checkpoint_path if workers is None or workers.is_first else None
        self._checkpoint_interval_s = checkpoint_interval_s
        self._last_checkpoint_s = self._last_tick_s = time.perf_counter()

    def check_workers(self) -> None:
        """Refuse to begin with workers that have other texts, settings or weights.

        Raises
        ------
        TrainingError
            Naming what differs.
        """
        if self.workers is not None:
            self.workers.check_same("encoded texts", self._data_fingerprint.encode())
            values = self.settings.model_dump_json(exclude={"threads"})
            self.workers.check_same("settings", f"{values}{self._classes}{self.epoch}{self.batch}".encode())
            self.workers.check_same_weights(self.classifier)

    @property
    def last_learning_rate(self) -> float:
        """Learning rate of the last step taken."""
        return self.schedule.learning_rate(max(self.step - 1, 0))

    def plan(self, batches: Sequence[Rows]) -> StepPlan:
        """Return the batches to offer to the step runner: at most twice as many as it took the last time."""
        chosen, corpus = list(batches[self.batch : self.batch + self._n_offered]), self.train
        learning_rates = [self.schedule.learning_rate(self.step + i) for i in range(len(chosen))]
        rate = self.settings.token_dropout
        if rate:
            corpus = thin_batches(corpus, chosen, rate=rate, seed=self.settings.seed, step=self.step)
            ends = np.cumsum([len(rows) for rows in chosen])
            chosen = np.split(np.arange(len(corpus)), ends[:-1])
        return StepPlan(corpus, chosen, learning_rates)

    def end_steps(self, plan: StepPlan, outcomes: list[StepOutcome]) -> None:
        """Count the steps taken, batch by batch.

        Raises
        ------
        TrainingError
            If the loss of one is not finite.
        """
        totals = self._totals
        loss, n_correct, n_texts = totals.loss, totals.n_correct, totals.n_texts
        for rows, learning_rate, outcome in zip(plan.batches, plan.learning_rates, outcomes, strict=False):
            self.batch += 1
            check_loss(outcome.loss, epoch=self.epoch, batch=self.batch, learning_rate=learning_rate)
            loss += outcome.loss * len(rows)
            n_correct += outcome.n_correct
            n_texts += len(rows)
            self._pages.touched(len(rows))
        self.step += len(outcomes)
        took_all = len(outcomes) == len(plan.batches)
        self._n_offered = min(max(2 * len(outcomes), self._n_offered if took_all else 1), _MOST_OFFERED)
        self._totals = RunningTotals(loss, n_correct, n_texts, totals.seconds + self._tick())

    def report(self, n_batches: int) -> BatchReport:
        """Return how far the epoch has come."""
        totals = self._totals
        return BatchReport(
            epoch=self.epoch,
            n_epochs=self.settings.epochs,
            batch=self.batch,
            n_batches=n_batches,
            loss=totals.loss / totals.n_texts,
            accuracy=totals.n_correct / totals.n_texts,
        )

    def end_epoch(self, scores: ValidationScores | None) -> EpochRecord:
        """Close the epoch: history, best weights, schedule.

        Raises
        ------
        TrainingError
            If the validation loss is not finite.
        """
        totals, learning_rate = self._totals, self.last_learning_rate
        if scores is not None:
            check_loss(scores.loss, epoch=self.epoch, learning_rate=learning_rate)
        record = EpochRecord(
            epoch=self.epoch,
            loss=totals.loss / totals.n_texts,
            accuracy=totals.n_correct / totals.n_texts,
            val_loss=scores and scores.loss,
            val_accuracy=scores and scores.accuracy,
            val_macro_f1=scores and scores.macro_f1,
            learning_rate=learning_rate,
            seconds=totals.seconds + self._tick(),
        )
        self.history.append(record)
        if self.stopping.end_epoch(record):
            # A new object each time: an interruption finds the old best weights or the new ones, never a mixture.
            self._best = _BestWeights(self.epoch, {k: t.clone() for k, t in self.classifier.state_dict().items()})
        self.schedule.end_epoch(self.stopping.value(record))
        self.epoch, self.batch, self._totals = self.epoch + 1, 0, RunningTotals()
        return record

    def finish(self, stopped: Stopped) -> TrainingResult:
        """Leave the classifier with the weights to keep and return the result."""
        kept = len(self.history)
        if self._best.epoch and (self.settings.keep == "best" or stopped == "interrupted"):
            self.classifier.load_state_dict(self._best.tensors)
            kept = self._best.epoch
        self.classifier.eval()
        return TrainingResult(
            history=list(self.history),
            best_epoch=self._best.epoch,
            kept_epoch=kept,
            monitored=self.stopping.monitored,
            stopped=stopped,
            seconds=sum(record.seconds for record in self.history) + self._totals.seconds,
            backend=self.step_runner.backend,
        )

    def save_checkpoint(self) -> None:
        """Save the state of the run, if it was given a file for it."""
        if self._checkpoint_path is not None:
            save_checkpoint(self._checkpoint_path, self._state())
            self._last_checkpoint_s = time.perf_counter()

    def save_checkpoint_if_due(self) -> None:
        """Save the state of the run, if the last time is long enough ago."""
        if self._last_tick_s - self._last_checkpoint_s >= self._checkpoint_interval_s:
            self.save_checkpoint()

    def restore(self, state: TrainingState) -> None:
        """Go to where a saved run stood.

        Raises
        ------
        TrainingError
            If it was a run with other settings, data or network.
        """
        check_same_run(state.header, self.settings, classes=self._classes, data_fingerprint=self._data_fingerprint)
        header, position = state.header, state.header.position
        check_same_network(state, self.classifier.state_dict())
        self.classifier.load_state_dict(state.model)
        self.step_runner.load_tensors(state.optimizer)
        self._best = _BestWeights(header.stopping.best_epoch, state.best)
        torch.set_rng_state(state.random["torch"])
        self.epoch, self.batch, self.step = position.epoch, position.batch, position.step
        self.history = list(header.history)
        self._totals = header.totals
        self.schedule.state = header.schedule
        self.stopping.state = header.stopping

    def _state(self) -> TrainingState:
        header = CheckpointHeader(
            settings=self.settings,
            classes=self._classes,
            data_fingerprint=self._data_fingerprint,
            position=Position(epoch=self.epoch, batch=self.batch, step=self.step),
            totals=self._totals,
            schedule=self.schedule.state,
            stopping=self.stopping.state,
            history=tuple(self.history),
        )
        return TrainingState(
            header=header,
            model=self.classifier.state_dict(),
            optimizer=self.step_runner.tensors(),
            best=self._best.tensors,
            random={"torch": torch.get_rng_state()},
        )

    @cached_property
    def _data_fingerprint(self) -> str:
        return run_fingerprint(self.train, self.validation, self.unlabelled)

    def _tick(self) -> float:
        """Return the seconds since the last call."""
        now = time.perf_counter()
        elapsed, self._last_tick_s = now - self._last_tick_s, now
        return elapsed
