"""The learning rate of pretraining: warm-up, constant, then falling to zero; only the clock may know when.

Hu et al. 2024, "MiniCPM", section 4: such a schedule ends as well as a cosine, and can be ended at any time.
"""

from pydantic import BaseModel, ConfigDict

from sulsul.pretraining_settings import PretrainingSettings

FALLING_SHARE = 0.2
"""Share of the steps, or of the time, in which the learning rate falls."""


class Fall(BaseModel):
    """When the learning rate begins to fall, and over how many steps it does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    begin: int
    n_steps: int

    @property
    def end(self) -> int:
        """The step after the last."""
        return self.begin + self.n_steps


class PretrainingSchedule:
    """The learning rate of every step.

    Parameters
    ----------
    settings
        Learning rate, warm-up and time limit.
    n_steps
        Steps of all epochs.
    """

    def __init__(self, settings: PretrainingSettings, *, n_steps: int) -> None:
        self._settings = settings
        self._n_warmup = min(settings.warmup_steps, n_steps // 10)
        begin = min(n_steps - 1, round(n_steps * (1.0 - FALLING_SHARE)))
        self.fall = Fall(begin=begin, n_steps=n_steps - begin)

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        peak = self._settings.learning_rate
        if step < self._n_warmup:
            return peak * (step + 1) / self._n_warmup
        if step < self.fall.begin:
            return peak
        return peak * max(self.fall.end - step, 0) / (self.fall.n_steps + 1)

    def watch(self, step: int, seconds: float) -> None:
        """Begin the fall now if the time limit asks for it."""
        minutes = self._settings.minutes
        if minutes is None or step >= self.fall.begin or seconds < 60.0 * minutes * (1.0 - FALLING_SHARE):
            return
        n_steps = max(1, round(step * FALLING_SHARE / (1.0 - FALLING_SHARE)))
        self.fall = Fall(begin=step, n_steps=min(n_steps, self.fall.end - step))
