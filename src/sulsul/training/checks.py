"""What is refused before and during training."""

import math
from collections.abc import Sequence

import torch

from sulsul.batching import EncodedCorpus
from sulsul.errors import TrainingError
from sulsul.model.classifier import Classifier


def check_training_data(
    classifier: Classifier, train: EncodedCorpus, validation: EncodedCorpus | None, classes: Sequence[str]
) -> None:
    """Refuse texts that cannot train this classifier.

    Raises
    ------
    TrainingError
        If a split is empty, has no labels, or labels of another kind or number than the classifier's.
    """
    if len(classes) != classifier.n_classes:
        raise TrainingError(f"{len(classes)} class names were given for a classifier of {classifier.n_classes} classes")
    _check_split(classifier, train, "training")
    if validation is not None:
        _check_split(classifier, validation, "validation")


def _check_split(classifier: Classifier, split: EncodedCorpus, name: str) -> None:
    class_ids, n_classes = split.class_ids, classifier.n_classes
    if len(split) == 0:
        raise TrainingError(f"the {name} split holds no texts; give it a larger share of the rows")
    if class_ids is None:
        raise TrainingError(f"the {name} split has no labels; name the label column")
    wanted = (len(split), n_classes) if classifier.multi_label else (len(split),)
    if class_ids.shape != wanted:
        raise TrainingError(f"the labels of the {name} split have shape {class_ids.shape}, not {wanted}")
    if not classifier.multi_label and (class_ids.min() < 0 or class_ids.max() >= n_classes):
        raise TrainingError(
            f"the {name} split holds class ids from {class_ids.min()} to {class_ids.max()}, but the classifier has "
            f"{n_classes} classes: ids 0 to {n_classes - 1}"
        )


def check_loss(loss: float, *, epoch: int, learning_rate: float, batch: int | None = None) -> None:
    """Refuse a loss that is not finite.

    Raises
    ------
    TrainingError
        Naming epoch, batch (None: the validation after the epoch), learning rate, and what to do.
    """
    if math.isfinite(loss):
        return
    where = f"batch {batch}" if batch is not None else "the validation"
    raise TrainingError(f"The loss became {loss} at epoch {epoch}, {where}{_remedy(learning_rate)}")


def check_weights(classifier: Classifier, *, epoch: int, learning_rate: float) -> None:
    """Refuse weights that are not finite: the last step of an epoch is followed by no loss that would tell.

    Raises
    ------
    TrainingError
        Naming the parameter, epoch and learning rate, and what to do.
    """
    for name, parameter in classifier.named_parameters():
        values = parameter.detach()
        # A finite sum has finite terms; that of finite terms may overflow.
        if not (math.isfinite(values.sum().item()) or bool(torch.isfinite(values).all())):
            raise TrainingError(
                f"The weights {name} stopped being finite numbers at the end of epoch {epoch}{_remedy(learning_rate)}"
            )


def _remedy(learning_rate: float) -> str:
    return (
        f" (learning rate {learning_rate:g}). Lower training.learning_rate, for example to {learning_rate / 10:g}, or "
        "set training.clip_norm, for example to 1.0."
    )
