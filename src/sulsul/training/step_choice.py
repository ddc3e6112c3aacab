"""What takes the steps of a training run: the extension or torch."""

import logging

import numpy as np
import numpy.typing as npt

from sulsul.model.classifier import Classifier
from sulsul.model.native_network import refusal
from sulsul.training.native_step import NativeStep
from sulsul.training.objective import Objective
from sulsul.training.settings import TrainingSettings
from sulsul.training.step import StepRunner, TorchStep

_LOG = logging.getLogger(__name__)


def choose_step_runner(
    classifier: Classifier, settings: TrainingSettings, class_weights: npt.NDArray[np.float32] | None
) -> StepRunner:
    """Return what ``settings.backend`` asks for; ``auto`` is native wherever it can be, and says so where it cannot.

    A classifier built with backend ``torch`` trains with torch under ``auto``.

    Raises
    ------
    KernelError
        If ``native`` is asked for and the extension cannot run the classifier.
    """
    backend = classifier.backend if settings.backend == "auto" else settings.backend
    reason = refusal(classifier) if backend == "auto" else None
    if reason is not None:
        _LOG.warning("training steps run on torch: %s", reason)
    if backend == "torch" or reason is not None:
        return TorchStep(classifier, Objective(classifier.output_kind, class_weights), settings)
    return NativeStep(classifier, settings, class_weights)
