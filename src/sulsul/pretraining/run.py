"""The loop of pretraining: segments, forward, loss, backward, clip, step, and a look at held-out texts now and then."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import JsonValue
from torch import Tensor

from sulsul.batching import BatchSampler, EncodedCorpus
from sulsul.errors import TrainingError
from sulsul.pretraining.checkpoint import Header as _Header
from sulsul.pretraining.checkpoint import PretrainingState, Sums, check_same_pretraining, save_state
from sulsul.pretraining.history import Look
from sulsul.pretraining.language_model import LanguageModel
from sulsul.pretraining.schedule import PretrainingSchedule
from sulsul.pretraining_settings import PretrainingSettings

STEPS_BETWEEN_LOOKS = 1000
"""At most; a look at 20,000 held-out tokens costs some hundredth of so many steps."""

Stopped = Literal["finished", "early", "interrupted"]


@dataclass(frozen=True)
class StepReport:
    """How far a pretraining has come; ``tokens_per_s`` is that of this session."""

    step: int
    n_steps: int
    epoch: int
    loss: float
    tokens_per_s: float


class PretrainingRun:
    """Everything that changes from step to step, and how it is saved and put back.

    Parameters
    ----------
    model
        What is trained, in place.
    train, held_out
        Segments to train on and to look at.
    settings, seed
        How.
    identity
        What a continuation must repeat.
    checkpoint_path
        Where the state is kept; None: nowhere.
    checkpoint_interval_s
        Time after which it is saved; also after every look.
    """

    def __init__(
        self,
        model: LanguageModel,
        train: EncodedCorpus,
        held_out: EncodedCorpus,
        settings: PretrainingSettings,
        *,
        seed: int,
        identity: Mapping[str, JsonValue],
        checkpoint_path: Path | None = None,
        checkpoint_interval_s: float = 300.0,
    ) -> None:
        self._model, self._train, self._held_out = model, train, held_out
        self._settings = settings
        n_segments = max(1, round(settings.batch_tokens / train.lengths.mean()))
        self._sampler = BatchSampler(train.lengths, n_segments, seed=seed)
        looked_at = BatchSampler(held_out.lengths, n_segments, seed=seed, shuffle=False)
        self._held_out_batches = looked_at.epoch(0)
        self._steps_between_looks = min(len(self._sampler), STEPS_BETWEEN_LOOKS)
        self.schedule = PretrainingSchedule(settings, n_steps=settings.epochs * len(self._sampler))
        self._identity = dict(identity)
        self.step = 0
        self.sums = Sums()
        self.looks: list[Look] = []
        self.best_look = -1
        self.best: dict[str, Tensor] = {}
        self._checkpoint_path, self._checkpoint_interval_s = checkpoint_path, checkpoint_interval_s
        self._session_tokens, self._session_s = 0, 0.0
        self._last_tick_s = self._last_checkpoint_s = time.perf_counter()

    @property
    def epoch(self) -> int:
        """The epoch that the next step belongs to, from 1."""
        return self.step // len(self._sampler) + 1

    def run(
        self,
        on_step: Callable[[StepReport], object],
        on_look: Callable[[Look], object],
        stop_requested: Callable[[], bool],
    ) -> Stopped:
        """Train from wherever the run stands until there is a reason to stop, and return the reason."""
        self._last_tick_s = self._last_checkpoint_s = time.perf_counter()
        epoch = self.epoch
        batches = self._sampler.epoch(epoch)
        while self.step < self.schedule.fall.end:
            if self._is_out_of_patience():
                return "early"
            if stop_requested():
                self.save()
                return "interrupted"
            if epoch != self.epoch:
                epoch, batches = self.epoch, self._sampler.epoch(self.epoch)
            rows = batches[self.step % len(self._sampler)]
            learning_rate = self.schedule.learning_rate(self.step)
            outcome = self._model.step(self._train, rows, learning_rate=learning_rate, step=self.step)
            self._count(outcome.loss, outcome.n_predicted, int(self._train.lengths[rows].sum()))
            self.schedule.watch(self.step, self.sums.seconds)
            on_step(self._report(epoch))
            if self.step % self._steps_between_looks == 0 or self.step >= self.schedule.fall.end:
                on_look(self._look(epoch, learning_rate))
                self.save()
            elif self._last_tick_s - self._last_checkpoint_s >= self._checkpoint_interval_s:
                self.save()
        return "finished"

    def save(self) -> None:
        """Save the state, if there is a file for it."""
        if self._checkpoint_path is None:
            return
        header = _Header(
            identity=self._identity,
            step=self.step,
            fall=self.schedule.fall,
            sums=self.sums,
            looks=tuple(self.looks),
            best_look=self.best_look,
        )
        save_state(self._checkpoint_path, PretrainingState(header, self._model.tensors(), self.best))
        self._last_checkpoint_s = time.perf_counter()

    def restore(self, state: PretrainingState) -> None:
        """Go to where a saved pretraining stood.

        Raises
        ------
        TrainingError
            If it had other settings, texts or another network.
        """
        header = state.header
        check_same_pretraining(header.identity, self._identity)
        self._model.load_tensors(state.model)
        if header.best_look >= 0 and state.best.keys() != self._model.encoder_tensors().keys():
            raise TrainingError("the pretraining cannot be resumed: its network was another one.")
        self.step, self.sums, self.looks = header.step, header.sums, list(header.looks)
        self.best_look, self.best = header.best_look, dict(state.best)
        self.schedule.fall = header.fall

    def _count(self, loss: float, n_predicted: int, n_tokens: int) -> None:
        seconds = self._tick()
        self.step += 1
        self._session_tokens += n_tokens
        self._session_s += seconds
        self.sums = Sums(
            loss=self.sums.loss + loss * n_predicted,
            n_predicted=self.sums.n_predicted + n_predicted,
            n_tokens=self.sums.n_tokens + n_tokens,
            seconds=self.sums.seconds + seconds,
        )

    def _report(self, epoch: int) -> StepReport:
        return StepReport(
            step=self.step,
            n_steps=self.schedule.fall.end,
            epoch=epoch,
            loss=self.sums.loss / max(self.sums.n_predicted, 1),
            tokens_per_s=self._session_tokens / max(self._session_s, 1e-9),
        )

    def _look(self, epoch: int, learning_rate: float) -> Look:
        held_out = self._model.evaluate(self._held_out, self._held_out_batches)
        seconds = self.sums.seconds + self._tick()
        look = Look(
            step=self.step,
            epoch=epoch,
            loss=self.sums.loss / max(self.sums.n_predicted, 1),
            held_out_loss=held_out.loss,
            learning_rate=learning_rate,
            n_tokens=self.sums.n_tokens,
            seconds=seconds,
        )
        if not np.isfinite(look.held_out_loss):
            raise TrainingError(
                f"The held-out loss became {look.held_out_loss} at step {self.step}. Lower pretraining.learning_rate."
            )
        self.sums = Sums(n_tokens=self.sums.n_tokens, seconds=seconds)
        self.looks.append(look)
        if self.best_look < 0 or look.held_out_loss < self.looks[self.best_look].held_out_loss:
            self.best_look = len(self.looks) - 1
            self.best = {name: tensor.clone() for name, tensor in self._model.encoder_tensors().items()}
        return look

    def _is_out_of_patience(self) -> bool:
        return len(self.looks) - 1 - self.best_look >= self._settings.patience and self.best_look >= 0

    def _tick(self) -> float:
        now = time.perf_counter()
        elapsed, self._last_tick_s = now - self._last_tick_s, now
        return elapsed
