"""What takes the steps of a training run: the extension or torch."""

import logging

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.errors import SpecificationError
from sulsul.model.classifier import Classifier
from sulsul.model.native_network import refusal
from sulsul.model.specification import BatchNormLayer
from sulsul.training.adversarial_step import AdversarialStep
from sulsul.training.native_step import NativeStep
from sulsul.training.objective import Objective
from sulsul.training.parallel_step import ParallelStep
from sulsul.training.separable_step import SeparableNativeStep, SeparableTorchStep
from sulsul.training.settings import TrainingSettings
from sulsul.training.step import StepRunner, TorchStep
from sulsul.training.virtual_adversarial_step import VirtualAdversarialStep
from sulsul.training.workers import Workers

_LOG = logging.getLogger(__name__)


def choose_step_runner(
    classifier: Classifier,
    settings: TrainingSettings,
    class_weights: npt.NDArray[np.float32] | None,
    workers: Workers | None = None,
    unlabelled: EncodedCorpus | None = None,
) -> StepRunner:
    """Return what ``settings.backend`` asks for; ``auto`` is native wherever it can be, and says so where it cannot.

    A classifier built with backend ``torch`` trains with torch under ``auto``. ``unlabelled`` are texts for virtual
    adversarial training.

    Raises
    ------
    KernelError
        If ``native`` is asked for and the extension cannot run the classifier.
    SpecificationError
        If several workers are to train a network with batch normalisation, whose statistics need the whole batch;
        adversarial training of either kind is asked for where it cannot be: natively, with several workers, or without
        a table; or there are unlabelled texts that nothing reads.
    TrainingError
        If the unlabelled corpus holds no texts.
    """
    if unlabelled is not None and not settings.virtual_adversarial:
        raise SpecificationError("unlabelled texts are for training.virtual_adversarial: set it, or leave them out.")
    if settings.adversarial or settings.virtual_adversarial:
        _check_can_perturb(classifier, settings, workers)
        objective = Objective(classifier.output_kind, class_weights)
        if settings.virtual_adversarial:
            return VirtualAdversarialStep(classifier, objective, settings, unlabelled)
        return AdversarialStep(classifier, objective, settings)
    backend = classifier.backend if settings.backend == "auto" else settings.backend
    reason = refusal(classifier) if backend == "auto" else None
    if reason is not None:
        _LOG.warning("training steps run on torch: %s", reason)
    uses_torch = backend == "torch" or reason is not None
    if workers is not None:
        if any(isinstance(layer, BatchNormLayer) for layer in classifier.specification.layers):
            raise SpecificationError(
                "batch normalisation needs the statistics of the whole batch: train this network with one worker, or "
                "leave the layer out."
            )
        separable = (
            SeparableTorchStep(classifier, Objective(classifier.output_kind, class_weights), settings)
            if uses_torch
            else SeparableNativeStep(classifier, settings, class_weights)
        )
        return ParallelStep(separable, workers, settings)
    if uses_torch:
        return TorchStep(classifier, Objective(classifier.output_kind, class_weights), settings)
    return NativeStep(classifier, settings, class_weights)


def _check_can_perturb(classifier: Classifier, settings: TrainingSettings, workers: Workers | None) -> None:
    setting = f"training.{'virtual_adversarial' if settings.virtual_adversarial else 'adversarial'}"
    input_kind = classifier.specification.input.kind
    if settings.backend == "native":
        raise SpecificationError(f"{setting} runs through torch: set training.backend to auto or torch.")
    if workers is not None:
        raise SpecificationError(f"{setting} needs one worker: leave it out, or train with one.")
    if input_kind not in {"embedding", "summed-embedding"}:
        raise SpecificationError(
            f"{setting} moves embedded tokens, which model.input '{input_kind}' has not; set "
            "model.input.kind=embedding or summed-embedding."
        )
