"""The learning rate of every step: linear warm-up, then constant, cosine, or reduced on a plateau."""

import math

from pydantic import BaseModel, ConfigDict

from sulsul.errors import SpecificationError
from sulsul.training.settings import TrainingSettings

PLATEAU_MIN_DELTA = 1e-4
"""Smallest change that counts as an improvement for the plateau rule, as in Keras's ``ReduceLROnPlateau``."""


class PlateauState(BaseModel):
    """What the plateau rule remembers between epochs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    factor: float = 1.0
    best: float | None = None
    n_epochs_without_improvement: int = 0


class Schedule:
    """The learning rate as a pure function of the step and, under ``plateau`` alone, of a saved state.

    Parameters
    ----------
    settings
        Learning rate, schedule, warm-up and plateau rule.
    n_steps
        Optimizer steps in the whole run, all epochs.
    maximise
        Whether the monitored quantity is better when larger (plateau only).

    Raises
    ------
    SpecificationError
        If the warm-up is as long as the run or longer.
    """

    def __init__(self, settings: TrainingSettings, *, n_steps: int, maximise: bool = False) -> None:
        if settings.warmup_steps >= n_steps:
            raise SpecificationError(
                f"training.warmup_steps is {settings.warmup_steps}, but the whole run has only {n_steps} steps; "
                "give a smaller number, more epochs, or a smaller training.batch_size."
            )
        self._settings = settings
        self._n_steps = n_steps
        self._maximise = maximise
        self.state = PlateauState()

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0 over the whole run.

        Warm-up rises linearly and reaches the full rate on its last step. Cosine (Loshchilov and Hutter, 2017, eq. 5,
        without restarts) falls from the full rate after warm-up towards 0 at the end of the run.
        """
        settings = self._settings
        peak = settings.learning_rate * self.state.factor
        if step < settings.warmup_steps:
            return peak * (step + 1) / settings.warmup_steps
        if settings.schedule != "cosine":
            return peak
        progress = (step - settings.warmup_steps) / (self._n_steps - settings.warmup_steps)
        return peak * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))

    def end_epoch(self, value: float) -> None:
        """Tell the plateau rule the monitored value of an epoch; other schedules ignore it.

        Counts as Keras does: after ``plateau_patience`` epochs in a row that do not improve by more than 1e-4, the
        learning rate is multiplied by ``plateau_factor``.
        """
        if self._settings.schedule != "plateau":
            return
        state = self.state
        if state.best is None or self._improves(value, state.best):
            self.state = state.model_copy(update={"best": value, "n_epochs_without_improvement": 0})
            return
        waited, factor = state.n_epochs_without_improvement + 1, state.factor
        if waited >= self._settings.plateau_patience:
            waited, factor = 0, factor * self._settings.plateau_factor
        self.state = state.model_copy(update={"factor": factor, "n_epochs_without_improvement": waited})

    def _improves(self, value: float, best: float) -> bool:
        return value > best + PLATEAU_MIN_DELTA if self._maximise else value < best - PLATEAU_MIN_DELTA
