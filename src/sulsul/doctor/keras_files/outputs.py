"""Output, loss, labels and optimizer that do not belong together."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sulsul.doctor.keras_files.evidence import KerasEvidence
from sulsul.doctor.setup.settings import LEARNING_RATES
from sulsul.findings import Finding

_CATEGORICAL = "categorical_crossentropy"
_SPARSE = "sparse_categorical_crossentropy"
_BINARY = "binary_crossentropy"
_CLASSIFYING = (_CATEGORICAL, _SPARSE, _BINARY)
_REGRESSING = frozenset({"mse", "mae", "mean_squared_error", "mean_absolute_error"})


def find_softmax_of_one(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find a softmax over a single unit."""
    if evidence.model.output != (1, "softmax"):
        return
    yield Finding(
        check="softmax-one-unit",
        severity="error",
        what="The output is Dense(1) with softmax: it is 1.0 for every text.",
        why="Softmax makes the units of a text sum to 1; of one unit nothing is left to learn.",
        remedy="Use Dense(1, activation='sigmoid') with binary_crossentropy.",
        evidence={"units": 1, "activation": "softmax"},
    )


def find_unfit_loss(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find a loss that does not belong to the output's activation."""
    output, loss = evidence.model.output, evidence.model.loss
    if output is None or loss is None:
        return
    units, activation = output
    said = _unfit(units, activation, loss, evidence)
    if said is None:
        return
    what, remedy, grave = said
    yield Finding(
        check="output-and-loss",
        severity="error" if grave else "warning",
        what=what,
        why="The loss measures something else than what is asked, and Keras's “accuracy” follows the loss: it can "
        "count every label of a text by itself and look far too good.",
        remedy=remedy,
        evidence={"units": units, "activation": activation, "loss": loss},
    )


def _unfit(units: int, activation: str, loss: str, evidence: KerasEvidence) -> tuple[str, str, bool] | None:
    """Return what is wrong, what to do, and whether it is an error; None if nothing is."""
    if activation == "sigmoid" and loss in (_CATEGORICAL, _SPARSE):
        remedy = "Use softmax for one class of several, binary_crossentropy for yes or no and for several labels."
        return f"Sigmoid outputs ({units}) are trained with {loss}.", remedy, True
    if activation == "softmax" and units > 1 and _has_label_sets(evidence):
        return (
            "Texts have several labels, but the softmax lets them share one probability.",
            "Use sigmoid outputs with binary_crossentropy.",
            True,
        )
    if activation == "softmax" and units > 1 and loss == _BINARY:
        return (
            f"Softmax outputs ({units}) are trained with binary_crossentropy.",
            f"Use {_CATEGORICAL} (one-hot labels) or {_SPARSE} (class numbers).",
            False,
        )
    if activation == "relu":
        return "The output has activation relu.", "Use sigmoid or softmax.", True
    if loss in _REGRESSING and activation in ("sigmoid", "softmax"):
        return f"Classes are trained with {loss}.", "Use a cross-entropy: it punishes being sure and wrong.", False
    return None


def find_labels_unfit_for_loss(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find labels that the loss reads as something else."""
    output, loss, labels = evidence.model.output, evidence.model.loss, _labels(evidence)
    if output is None or loss is None or labels is None or not labels.size:
        return
    units, shape = output[0], "class numbers" if labels.ndim == 1 else f"rows of {labels.shape[1]}"
    what = remedy = None
    if loss == _CATEGORICAL and labels.ndim == 1:
        what, remedy = f"Labels are class numbers, but {_CATEGORICAL} wants one-hot rows.", f"Use {_SPARSE}."
    elif loss == _SPARSE and labels.ndim == 2:
        what, remedy = f"Labels are {shape} values, but {_SPARSE} wants class numbers.", f"Use {_CATEGORICAL}."
    elif loss == _SPARSE and (int(labels.max()) >= units or int(labels.min()) < 0):
        what = f"Labels run from {int(labels.min())} to {int(labels.max())}, but there are {units} outputs."
        remedy = "Number the classes from 0, and give the output one unit per class."
    elif loss == _BINARY and units == 1 and not bool(np.isin(labels, (0, 1)).all()):
        what = f"Labels run from {labels.min():g} to {labels.max():g}, but one sigmoid output knows 0 and 1 only."
        remedy = "Number two classes 0 and 1; for more use softmax with one unit per class."
    elif labels.ndim == 2 and labels.shape[1] != units:
        what, remedy = f"Labels have {labels.shape[1]} columns, the output {units} units.", "Give both the same number."
    elif loss == _BINARY and units > 1 and labels.ndim == 1:
        what = f"Labels are single numbers, but {units} outputs are trained with {_BINARY}."
        remedy = f"Use {_SPARSE} with softmax."
    if what is None or remedy is None:
        return
    yield Finding(
        check="labels-and-loss",
        severity="error",
        what=what,
        why="Training stops with a shape error at best; at worst numbers are broadcast and something else is learned.",
        remedy=remedy,
        evidence={"loss": loss, "units": units, "labels": shape},
    )


def find_logits_mistaken(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find probabilities that the loss squashes again, and logits that it takes for probabilities."""
    output, loss = evidence.model.output, evidence.model.loss
    if output is None or loss not in _CLASSIFYING:
        return
    activation = output[1]
    twice = evidence.model.from_logits and activation in ("sigmoid", "softmax")
    never = not evidence.model.from_logits and activation == "linear"
    if not (twice or never):
        return
    yield Finding(
        check="from-logits",
        severity="error",
        what=f"The output has a {activation}, and the loss applies another (from_logits=True)."
        if twice
        else "The output is linear, and the loss takes it for probabilities (from_logits=False).",
        why="Squashed twice, probabilities can never come near 0 or 1 and gradients vanish."
        if twice
        else "Numbers below 0 and above 1 are clipped: most texts have no gradient at all.",
        remedy="Leave out from_logits=True."
        if twice
        else "Give the loss from_logits=True, or the output an activation.",
        evidence={"activation": activation, "from_logits": evidence.model.from_logits, "loss": loss},
    )


def find_unlikely_learning_rate(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find learning rates beyond anything that trains."""
    rate, name = evidence.model.learning_rate, evidence.model.optimizer
    if rate is None or name is None or name.lower() not in LEARNING_RATES:
        return
    low, high = LEARNING_RATES[name.lower()]
    if low <= rate <= high:
        return
    yield Finding(
        check="learning-rate",
        severity="warning",
        what=f"The learning rate {rate:g} is unusually {'large' if rate > high else 'small'} for {name}.",
        why="The loss jumps about and ends at the majority class." if rate > high else "The weights hardly move.",
        remedy=f"Use about {0.01 if name.lower() == 'sgd' else 0.001:g}.",
        evidence={"learning_rate": rate, "usual": [low, high], "optimizer": name},
    )


def _labels(evidence: KerasEvidence) -> npt.NDArray[Any] | None:
    if evidence.inputs is None:
        return None
    return evidence.inputs.y.get("train", next(iter(evidence.inputs.y.values()), None))


def _has_label_sets(evidence: KerasEvidence) -> bool:
    labels = _labels(evidence)
    return labels is not None and labels.ndim == 2 and bool((labels.sum(axis=1) != 1).any())
