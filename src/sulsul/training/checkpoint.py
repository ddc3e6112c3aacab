"""Everything a run needs to go on as if it had never stopped, in one file.

A checkpoint is a :mod:`sulsul.state_file` whose header is a :class:`CheckpointHeader`; it holds the last state and the
best weights so far.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from sulsul.batching import EncodedCorpus
from sulsul.batching.mapped import blocks_of
from sulsul.errors import TrainingError
from sulsul.state_file import read_state, write_state
from sulsul.training.early_stopping import StoppingState
from sulsul.training.history import EpochRecord
from sulsul.training.schedule import PlateauState
from sulsul.training.settings import TrainingSettings

CHECKPOINT_NAME = "checkpoint.safetensors"
_METADATA_KEY = "sulsul_checkpoint"
_GROUPS = ("model", "optimizer", "best", "random")
# What may differ between a run and its continuation: it decides how, not what, is computed.
_FREE_SETTINGS = {"threads"}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Position(_Frozen):
    """Where a run stands: the batch to train on next.

    ``epoch`` counts from 1, ``batch`` from 0 within the epoch, ``step`` is the number of optimizer steps taken.
    """

    epoch: int = Field(default=1, ge=1)
    batch: int = Field(default=0, ge=0)
    step: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class RunningTotals:
    """Sums over the batches of the epoch so far."""

    loss: float = 0.0
    n_correct: int = 0
    n_texts: int = 0
    seconds: float = 0.0


class RunIdentity(_Frozen):
    """What a continuation must have in common with the run it continues; the seed tells the members of an ensemble."""

    settings: TrainingSettings
    classes: tuple[str, ...]
    data_fingerprint: str


class CheckpointHeader(RunIdentity):
    """Everything in a checkpoint that is not a tensor."""

    schema_version: Literal[1] = 1
    position: Position
    totals: RunningTotals
    schedule: PlateauState
    stopping: StoppingState
    history: tuple[EpochRecord, ...]


@dataclass(frozen=True)
class TrainingState:
    """The state of a run between two steps.

    Attributes
    ----------
    header
        Settings, position, history and the states of schedule and early stopping.
    model, best
        Weights now, and after the best epoch (empty before the first epoch ended), by name.
    optimizer
        What the optimizer remembers, by parameter and quantity.
    random
        State of torch's random generator under ``torch``: it draws the dropout masks. The order of the batches needs
        none: it is a function of seed and epoch.
    """

    header: CheckpointHeader
    model: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    best: Mapping[str, Tensor]
    random: Mapping[str, Tensor]


def save_checkpoint(path: Path, state: TrainingState) -> None:
    """Write a checkpoint in place of the old one, atomically.

    Raises
    ------
    OutputError
        If it cannot be written; the old checkpoint is untouched.
    """
    groups = {group: getattr(state, group) for group in _GROUPS}
    write_state(path, _METADATA_KEY, state.header, groups)


def load_checkpoint(path: Path) -> TrainingState:
    """Read a checkpoint.

    Raises
    ------
    BundleError
        If the file is missing, damaged, or not a checkpoint of this version.
    """
    otherwise = "is not a checkpoint that this version can read ({reason}); train anew."
    header, groups = read_state(path, _METADATA_KEY, CheckpointHeader, _GROUPS, otherwise=otherwise)
    return TrainingState(header, **groups)


def check_same_run(
    before: RunIdentity, settings: TrainingSettings, *, classes: tuple[str, ...], data_fingerprint: str
) -> None:
    """Refuse to continue a run with other settings or other data.

    Raises
    ------
    TrainingError
        Naming what differs.
    """
    then, now = before.settings.model_dump(), settings.model_dump()
    changed = [key for key in now if then[key] != now[key] and key not in _FREE_SETTINGS]
    if changed:
        listed = ", ".join(f"training.{key} was {then[key]!r} and is now {now[key]!r}" for key in changed)
        raise TrainingError(
            f"the run cannot be resumed with other settings: {listed}. Repeat the old ones or train anew."
        )
    if before.classes != classes:
        raise TrainingError(f"the run cannot be resumed: its classes were {before.classes} and are now {classes}.")
    if before.data_fingerprint != data_fingerprint:
        raise TrainingError("the run cannot be resumed: the encoded texts or their split are not those it began with.")


def check_same_network(state: TrainingState, weights: Mapping[str, Tensor]) -> None:
    """Refuse a state that does not fit a network.

    Parameters
    ----------
    state
        From :func:`load_checkpoint`.
    weights
        The network's parameters and buffers by name.

    Raises
    ------
    TrainingError
        Naming the first tensor that is missing, superfluous, or of another shape or type.
    """
    groups = [state.model, state.best] if state.header.stopping.best_epoch else [state.model]
    pairs = [(tensors, weights) for tensors in groups] + [(state.random, {"torch": torch.get_rng_state()})]
    for tensors, expected in pairs:
        for name in sorted(tensors.keys() | expected.keys()):
            before, now = _describe(tensors.get(name)), _describe(expected.get(name))
            if before != now:
                raise TrainingError(
                    f"the run cannot be resumed: its network was another one ({name} was {before} and is now {now})."
                )


def _describe(tensor: Tensor | None) -> str:
    if tensor is None:
        return "absent"
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def corpora_fingerprint(*corpora: EncodedCorpus | None) -> str:
    """Return the SHA-256 over the token ids, offsets, labels, weights and word types of the corpora."""
    digest = hashlib.sha256()
    for corpus in corpora:
        for array in () if corpus is None else _arrays_of(corpus):
            if array is not None:
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                for block in blocks_of(array):
                    digest.update(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)
        digest.update(b"|")
    return digest.hexdigest()


def run_fingerprint(
    train: EncodedCorpus, validation: EncodedCorpus | None, unlabelled: EncodedCorpus | None = None
) -> str:
    """Return the SHA-256 over everything that a run reads."""
    return corpora_fingerprint(train, validation, *(() if unlabelled is None else (unlabelled,)))


def _arrays_of(corpus: EncodedCorpus) -> tuple[np.ndarray[Any, Any] | None, ...]:
    types = (None, None) if corpus.types is None else (corpus.types.offsets, corpus.types.part_ids)
    return corpus.token_ids, corpus.offsets, corpus.class_ids, corpus.sample_weights, *types
