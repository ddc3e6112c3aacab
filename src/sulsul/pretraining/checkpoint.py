"""Everything a pretraining needs to go on as if it had never stopped, in one safetensors file without pickle."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import safetensors
import safetensors.torch
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from torch import Tensor

from sulsul.errors import BundleError, TrainingError
from sulsul.files import write_atomically
from sulsul.pretraining.history import Look
from sulsul.pretraining.schedule import Fall

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
    tensors = {
        f"{group}.{name}": tensor.detach().contiguous()
        for group in _GROUPS
        for name, tensor in getattr(state, group).items()
    }
    metadata = {_METADATA_KEY: json.dumps(state.header.model_dump(), ensure_ascii=False)}
    write_atomically(path, safetensors.torch.save(tensors, metadata))


def load_state(path: Path) -> PretrainingState:
    """Read a checkpoint.

    Raises
    ------
    BundleError
        If the file is missing, damaged, or not the checkpoint of a pretraining.
    """
    groups: dict[str, dict[str, Tensor]] = {group: {} for group in _GROUPS}
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            for key in file.keys():  # noqa: SIM118 (not a mapping)
                group, _, name = key.partition(".")
                groups[group][name] = file.get_tensor(key)
        header = Header.model_validate(json.loads(metadata[_METADATA_KEY]))
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (safetensors.SafetensorError, KeyError, ValidationError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BundleError(f"{path} is not the checkpoint of a pretraining ({reason}); pretrain anew.") from None
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
