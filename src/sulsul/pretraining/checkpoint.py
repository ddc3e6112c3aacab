"""Everything a pretraining needs to go on as if it had never stopped, in one file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue
from torch import Tensor

from sulsul.errors import TrainingError
from sulsul.pretraining.history import Look
from sulsul.pretraining.schedule import Fall
from sulsul.state_file import read_state, write_state

_METADATA_KEY = "sulsul_pretraining"
_GROUPS = ("model", "best")


class Sums(BaseModel):
    """Sums over the steps since the last look, and over all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    loss: float = 0.0
    n_predicted: int = 0
    n_tokens: int = 0
    seconds: float = 0.0


class Header(BaseModel):
    """Everything in a checkpoint that is not a tensor; ``identity`` is what a continuation must repeat."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    identity: dict[str, JsonValue]
    step: int
    fall: Fall
    sums: Sums
    looks: tuple[Look, ...]
    best_look: int


@dataclass(frozen=True)
class PretrainingState:
    """The state between two steps: its header, all weights now, and the encoder's after the best look."""

    header: Header
    model: Mapping[str, Tensor]
    best: Mapping[str, Tensor]


def save_state(path: Path, state: PretrainingState) -> None:
    """Write a checkpoint in place of the old one, atomically; raises OutputError if it cannot be written."""
    groups = {group: getattr(state, group) for group in _GROUPS}
    write_state(path, _METADATA_KEY, state.header, groups)


def load_state(path: Path) -> PretrainingState:
    """Read a checkpoint.

    Raises
    ------
    BundleError
        If the file is missing, damaged, or not the checkpoint of a pretraining.
    """
    otherwise = "is not the checkpoint of a pretraining ({reason}); pretrain anew."
    header, groups = read_state(path, _METADATA_KEY, Header, _GROUPS, otherwise=otherwise)
    return PretrainingState(header, **groups)


def check_same_pretraining(then: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> None:
    """Refuse to continue a pretraining with other settings or texts.

    Raises
    ------
    TrainingError
        Naming what differs.
    """
    changed = [key for key in now if then.get(key) != now[key]]
    if changed == ["texts"]:
        raise TrainingError("the pretraining cannot be resumed: the texts are not those it began with.")
    if changed:
        listed = ", ".join(f"{key} was {then.get(key)!r} and is now {now[key]!r}" for key in changed if key != "texts")
        raise TrainingError(
            f"the pretraining cannot be resumed with other settings: {listed}. Repeat the old ones or pretrain anew."
        )
