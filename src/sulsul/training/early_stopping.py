"""When to stop, and which epoch was the best."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from sulsul.training.history import EpochRecord
from sulsul.training.settings import TrainingSettings

Monitored = Literal["loss", "val_loss", "val_accuracy", "val_macro_f1"]


class StoppingState(BaseModel):
    """What early stopping remembers between epochs; ``best_epoch`` is 0 until one has ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    best: float | None = None
    best_epoch: int = 0
    n_epochs_without_improvement: int = 0


class EarlyStopping:
    """Watches one quantity of the history; counts patience as Keras's ``EarlyStopping`` does.

    An epoch improves when its value is strictly better than the best so far. Training stops after ``patience`` epochs
    in a row without improvement (0 and 1 both stop at the first).

    Parameters
    ----------
    settings
        ``monitor`` and ``patience``.
    has_validation
        Without a validation split the training loss is watched instead of ``settings.monitor``; see
        :attr:`monitored`.

    Examples
    --------
    >>> stopping = EarlyStopping(TrainingSettings(patience=2), has_validation=False)
    >>> losses = [0.9, 0.5, 0.6, 0.7]
    >>> records = [EpochRecord.of_training(i + 1, loss=loss) for i, loss in enumerate(losses)]
    >>> [(stopping.end_epoch(record), stopping.should_stop) for record in records]
    [(True, False), (True, False), (False, False), (False, True)]
    >>> stopping.monitored, stopping.state.best_epoch
    ('loss', 2)
    """

    def __init__(self, settings: TrainingSettings, *, has_validation: bool) -> None:
        self.monitored: Monitored = settings.monitor if has_validation else "loss"
        self._patience = settings.patience
        self.state = StoppingState()

    @property
    def maximise(self) -> bool:
        """Whether a larger value of the monitored quantity is better."""
        return self.monitored in {"val_accuracy", "val_macro_f1"}

    @property
    def should_stop(self) -> bool:
        """Whether the last epoch used up the patience."""
        waited = self.state.n_epochs_without_improvement
        return self._patience is not None and waited > 0 and waited >= self._patience

    def value(self, record: EpochRecord) -> float:
        """Return the monitored quantity of an epoch.

        Raises
        ------
        ValueError
            If the record lacks it.
        """
        value: float | None = getattr(record, self.monitored)
        if value is None:
            raise ValueError(f"epoch {record.epoch} has no {self.monitored}")
        return value

    def end_epoch(self, record: EpochRecord) -> bool:
        """Take in an epoch and return whether it is the best so far."""
        value, state = self.value(record), self.state
        improved = state.best is None or (value > state.best if self.maximise else value < state.best)
        if improved:
            self.state = StoppingState(best=value, best_epoch=record.epoch)
        else:
            waited = state.n_epochs_without_improvement + 1
            self.state = state.model_copy(update={"n_epochs_without_improvement": waited})
        return improved
