"""One more pass over texts that arrive after a classifier has been trained."""

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sulsul.batching import EncodedCorpus
from sulsul.errors import TrainingError
from sulsul.model.classifier import Classifier
from sulsul.training.checks import check_training_data
from sulsul.training.history import EpochRecord
from sulsul.training.loop import run_epochs
from sulsul.training.processor import training_processor
from sulsul.training.run import BatchReport, Run
from sulsul.training.schedule import Schedule
from sulsul.training.settings import TrainingSettings


@dataclass(frozen=True)
class PassMemory:
    """What one pass leaves for the next.

    Attributes
    ----------
    kind
        The optimizer that wrote ``tensors``.
    tensors
        Its moments by parameter, named ``<parameter>/<quantity>``.
    random
        State of torch's random generator under ``torch``: it draws the dropout masks of torch's steps.
    n_steps, n_passes
        Steps and passes so far.
    """

    kind: str
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    random: Mapping[str, Tensor] = field(default_factory=dict)
    n_steps: int = 0
    n_passes: int = 0


def train_pass(
    classifier: Classifier,
    train: EncodedCorpus,
    settings: TrainingSettings,
    *,
    classes: tuple[str, ...],
    memory: PassMemory | None = None,
    on_batch: Callable[[BatchReport], object] | None = None,
) -> tuple[EpochRecord, PassMemory]:
    """Train a classifier in place on every text once, going on from the optimizer's state after the last pass.

    The end of such training is unknown, so the learning rate is constant after the warm-up, whatever the schedule, and
    no epoch is chosen: the last weights stay. A pass is all or nothing: if it fails or is interrupted, the classifier
    has the weights it had before.

    Parameters
    ----------
    classifier
        The network, of which only the weights change.
    train
        Encoded texts with their labels.
    settings
        As for :func:`sulsul.training.train_classifier`; ``epochs``, ``schedule``, ``monitor``, ``patience`` and
        ``keep`` are not used.
    classes
        Names of the classes by class id.
    memory
        What the pass before returned; None: a fresh optimizer.
    on_batch
        Called after every step.

    Returns
    -------
    EpochRecord
        Loss and accuracy of the pass, numbered by ``memory``.
    PassMemory
        For the next pass.

    Raises
    ------
    TrainingError
        If there are no texts or no labels, the loss or a weight is not finite, or the optimizer has changed.
    KernelError
        If the settings ask for the native backend and it cannot run the classifier.
    SpecificationError
        If ``class_weight`` does not fit the classes.
    """
    kind = f"{settings.optimizer} with momentum" if settings.momentum else settings.optimizer
    if memory is not None and memory.kind != kind:
        raise TrainingError(
            f"the passes so far were made by {memory.kind}, whose state does not fit {kind}: keep the optimizer, or "
            "train anew."
        )
    check_training_data(classifier, train, None, classes)
    memory = memory or PassMemory(kind)
    before = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    with training_processor(threads=settings.threads, seed=settings.seed):
        try:
            run = _run_of_one_epoch(classifier, train, settings, classes, memory)
            run_epochs(run, on_batch=on_batch)
        except BaseException:
            classifier.load_state_dict(before)
            raise
        finally:
            classifier.eval()
        random = {"torch": torch.get_rng_state()}
    tensors = run.step_runner.tensors()
    return run.history[0], PassMemory(kind, tensors, random, n_steps=run.step, n_passes=memory.n_passes + 1)


def _run_of_one_epoch(
    classifier: Classifier,
    train: EncodedCorpus,
    settings: TrainingSettings,
    classes: tuple[str, ...],
    memory: PassMemory,
) -> Run:
    """Return a run whose last epoch is the pass to make: batches and dropout masks are drawn on, not over again."""
    number = memory.n_passes + 1
    endless = {"schedule": "constant", "epochs": number, "patience": None}
    run = Run(
        classifier,
        train,
        None,
        settings.model_copy(update={**endless, "warmup_steps": 0}),
        classes=classes,
        step_runner=None,
        checkpoint_path=None,
        checkpoint_interval_s=math.inf,
    )
    run.schedule = Schedule(settings.model_copy(update=endless), n_steps=sys.maxsize)
    run.epoch, run.step = number, memory.n_steps
    run.step_runner.load_tensors(memory.tensors)
    if memory.random:
        torch.set_rng_state(memory.random["torch"])
    return run
