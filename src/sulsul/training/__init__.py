"""Training: the visible loop, its optimizers, schedules, stopping rule, checkpoints and history.

Names are imported on first use, so that reading :class:`TrainingSettings` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sulsul.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
    from sulsul.training.further import PassMemory, train_pass
    from sulsul.training.history import EpochRecord, history_from_csv, history_to_csv
    from sulsul.training.interruption import StopOnSignal
    from sulsul.training.loop import train_classifier
    from sulsul.training.members import MembersListener, TrainedMember, train_members
    from sulsul.training.progress import TrainingProgress
    from sulsul.training.result import TrainingResult
    from sulsul.training.run import BatchReport
    from sulsul.training.settings import TrainingSettings

__all__ = [
    "BatchReport",
    "EpochRecord",
    "MembersListener",
    "PassMemory",
    "StopOnSignal",
    "TrainedMember",
    "TrainingProgress",
    "TrainingResult",
    "TrainingSettings",
    "TrainingState",
    "history_from_csv",
    "history_to_csv",
    "load_checkpoint",
    "save_checkpoint",
    "train_classifier",
    "train_members",
    "train_pass",
]

_MODULES = {
    "BatchReport": "run",
    "EpochRecord": "history",
    "MembersListener": "members",
    "PassMemory": "further",
    "StopOnSignal": "interruption",
    "TrainedMember": "members",
    "TrainingProgress": "progress",
    "TrainingResult": "result",
    "TrainingSettings": "settings",
    "TrainingState": "checkpoint",
    "history_from_csv": "history",
    "history_to_csv": "history",
    "load_checkpoint": "checkpoint",
    "save_checkpoint": "checkpoint",
    "train_classifier": "loop",
    "train_members": "members",
    "train_pass": "further",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
