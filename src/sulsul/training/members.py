"""Training the members of an ensemble one after the other, each as if it were the only one."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors
import safetensors.torch
from pydantic import ValidationError

from sulsul.batching import EncodedCorpus
from sulsul.errors import BundleError
from sulsul.files import write_atomically
from sulsul.model.classifier import Classifier
from sulsul.training.checkpoint import (
    CHECKPOINT_NAME,
    RunIdentity,
    TrainingState,
    check_same_run,
    load_checkpoint,
    run_fingerprint,
)
from sulsul.training.history import EpochRecord
from sulsul.training.loop import train_classifier
from sulsul.training.result import TrainingResult
from sulsul.training.run import BatchReport
from sulsul.training.settings import TrainingSettings
from sulsul.training.workers import Workers

_METADATA_KEY = "sulsul_member"


@dataclass(frozen=True, eq=False)
class TrainedMember:
    """A network and how its training went."""

    classifier: Classifier
    result: TrainingResult


@dataclass(frozen=True)
class MembersListener:
    """What is called while members are trained; ``on_member`` with the number from 0 and how many there are."""

    on_member: Callable[[int, int], object] = lambda member, n_members: None
    on_epoch: Callable[[EpochRecord], object] = lambda record: None
    on_batch: Callable[[BatchReport], object] | None = None
    stop_requested: Callable[[], bool] = lambda: False


class FinishedMember(RunIdentity):
    """What is kept of a member besides its weights."""

    result: TrainingResult


def train_members(
    build: Callable[[int], Classifier],
    n_members: int,
    train: EncodedCorpus,
    validation: EncodedCorpus | None,
    settings: TrainingSettings,
    *,
    classes: Sequence[str],
    listener: MembersListener,
    folder: Path | None = None,
    resume: bool = False,
    workers: Workers | None = None,
    unlabelled: EncodedCorpus | None = None,
) -> list[TrainedMember]:
    """Train ``n_members`` networks; member i has the seed ``settings.seed + i``.

    In ``folder`` the running member keeps its checkpoint, whose seed says which member it is, and each finished one but
    the last its weights, so that an interrupted run goes on where it stopped and ends with the same weights to the bit.

    Parameters
    ----------
    build
        Returns the network of a member with its initial weights.
    train, validation, classes, unlabelled
        As for :func:`sulsul.training.train_classifier`.
    listener
        Called while training goes on.
    folder
        Where the state is kept; None: nowhere.
    resume
        Go on from what is in ``folder``.
    workers
        The processes that train together, as for :func:`sulsul.training.train_classifier`. Each has a folder, which
        only the first one's run writes to; what is there to resume goes from it to the others.

    Returns
    -------
    list
        The members that have at least one epoch, or else the first. Fewer than asked for if the last one's result
        says that it was interrupted.

    Raises
    ------
    BundleError
        If a kept state is damaged.
    SulsulError
        As :func:`sulsul.training.train_classifier` does.
    """
    keeps_members = folder is not None and n_members > 1
    fingerprint = run_fingerprint(train, validation, unlabelled) if keeps_members else ""
    identity = RunIdentity(settings=settings, classes=tuple(classes), data_fingerprint=fingerprint)
    members: list[TrainedMember] = []
    if workers is not None and resume and folder is not None:
        workers.files_from_first(folder, [CHECKPOINT_NAME, *(member_file(i) for i in range(n_members - 1))])
    for index in range(n_members):
        own = settings.model_copy(update={"seed": member_seed(settings.seed, index)})
        mine = identity.model_copy(update={"settings": own})
        classifier = build(index)
        kept = None if folder is None or index == n_members - 1 else folder / member_file(index)
        if resume and kept is not None and kept.exists():
            members.append(TrainedMember(classifier, _load_member(kept, classifier, mine)))
            continue
        if n_members > 1:
            listener.on_member(index, n_members)
        result = train_classifier(
            classifier,
            train,
            validation,
            own,
            classes=classes,
            on_epoch=listener.on_epoch,
            on_batch=listener.on_batch,
            stop_requested=listener.stop_requested,
            checkpoint_path=None if folder is None else folder / CHECKPOINT_NAME,
            resume_from=_checkpoint_of(folder, own, first=index == 0) if resume and folder is not None else None,
            workers=workers,
            unlabelled=unlabelled,
        )
        if result.history or not members:
            members.append(TrainedMember(classifier, result))
        if result.stopped == "interrupted":
            return _marked_interrupted(members, result)
        if kept is not None and (workers is None or workers.is_first):
            _save_member(kept, classifier, FinishedMember(**dict(mine), result=result))
    return members


def member_seed(seed: int, member: int) -> int:
    """Return the seed of a member; after the largest seed comes 0."""
    return (seed + member) % 2**32


def member_file(member: int) -> str:
    """Return the name of the file that keeps a finished member while others are trained."""
    return f"member-{member}.safetensors"


def _marked_interrupted(members: list[TrainedMember], result: TrainingResult) -> list[TrainedMember]:
    """Say so with the last member, if the one that was interrupted has nothing worth keeping."""
    last = members[-1]
    if last.result.stopped == "interrupted":
        return members
    seconds = last.result.seconds + result.seconds
    marked = TrainingResult(**{**vars(last.result), "stopped": "interrupted", "seconds": seconds})
    return [*members[:-1], TrainedMember(last.classifier, marked)]


def _checkpoint_of(folder: Path, own: TrainingSettings, *, first: bool) -> TrainingState | None:
    """Return the state to go on from: that of this member, not of one before it."""
    path = folder / CHECKPOINT_NAME
    if not path.exists():
        return None
    state = load_checkpoint(path)
    # The first member takes any state, so that another run's is refused and not silently trained over.
    return state if first or state.header.settings.seed == own.seed else None


def _save_member(path: Path, classifier: Classifier, finished: FinishedMember) -> None:
    tensors = {name: tensor.detach().contiguous() for name, tensor in classifier.state_dict().items()}
    values = finished.model_dump(exclude={"result"}) | {"result": asdict(finished.result)}
    values["result"]["history"] = [record.model_dump() for record in finished.result.history]
    metadata = {_METADATA_KEY: json.dumps(values, ensure_ascii=False)}
    write_atomically(path, safetensors.torch.save(tensors, metadata))


def _load_member(path: Path, classifier: Classifier, identity: RunIdentity) -> TrainingResult:
    """Put the weights of a finished member into its network and return how its training went."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            finished = FinishedMember.model_validate(json.loads((file.metadata() or {})[_METADATA_KEY]))
        check_same_run(
            finished, identity.settings, classes=identity.classes, data_fingerprint=identity.data_fingerprint
        )
        classifier.load_state_dict(tensors)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (safetensors.SafetensorError, KeyError, ValidationError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise BundleError(f"{path} is not a finished member of this run ({reason}); train anew.") from None
    classifier.eval()
    return finished.result
