"""What a finished or interrupted training run hands back."""

from dataclasses import dataclass
from typing import Literal

from sulsul.training.early_stopping import Monitored
from sulsul.training.history import EpochRecord
from sulsul.training.step import StepBackend

Stopped = Literal["finished", "early", "interrupted"]


@dataclass(frozen=True)
class TrainingResult:
    """How a run went; the classifier itself was trained in place.

    Attributes
    ----------
    history
        One record per finished epoch.
    best_epoch
        Epoch with the best monitored value, from 1; 0 if no epoch was finished.
    kept_epoch
        Epoch whose weights the classifier now has: the best, or the last where the settings keep the last. 0 if no
        epoch was finished: then the weights are what the last step before the interruption left.
    monitored
        What decided the best epoch: the quantity the settings name or, without a validation split, the training loss.
    stopped
        ``finished``: all epochs ran; ``early``: patience ran out; ``interrupted``: Ctrl-C or a stop request.
    seconds
        Wall-clock time of training and validation, earlier sessions of a resumed run included.
    backend
        What took the steps.
    """

    history: list[EpochRecord]
    best_epoch: int
    kept_epoch: int
    monitored: Monitored
    stopped: Stopped
    seconds: float
    backend: StepBackend
