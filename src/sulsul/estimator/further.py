"""``partial_fit``: one more pass over texts that arrive later."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.torch

from sulsul.corpora import Splits
from sulsul.errors import InputError
from sulsul.estimator.targets import Targets, checked_classes, checked_targets, class_names
from sulsul.specification import RunSpecification
from sulsul.training import PassMemory

_MEMORY_GROUPS = ("tensors", "random")


def first_targets(y: Any, n_texts: int, classes: Any) -> Targets:
    """Return the labels of the first call, which fixes the classes.

    Raises
    ------
    InputError
        If ``classes`` is missing and ``y`` is no 0/1 matrix, whose columns would say it; as ``checked_targets`` does.
    """
    if classes is not None:
        return checked_targets(y, n_texts, classes=checked_classes(classes))
    if np.ndim(y) == 2:
        return checked_targets(y, n_texts)
    raise InputError(
        "classes must be passed on the first call to partial_fit: all labels that any later call may hold, for example "
        "classes=['bad', 'good']."
    )


def further_targets(y: Any, n_texts: int, classes: Any, known: npt.NDArray[Any], *, multi_label: bool) -> Targets:
    """Return the labels of a later call, in the classes that exist.

    Raises
    ------
    InputError
        If ``classes`` or ``y`` says anything else than the calls before; as ``checked_targets`` does.
    """
    if classes is not None and class_names(checked_classes(classes)) != class_names(known):
        raise InputError(
            f"classes={list(classes)!r} is not the same as on the last call to partial_fit or fit, which was "
            f"{known.tolist()!r}; leave it out."
        )
    targets = checked_targets(y, n_texts, classes=known)
    if targets.multi_label != multi_label:
        kind = "a 0/1 matrix" if multi_label else "one label per text"
        raise InputError(f"y must be {kind}, as in the calls before.")
    return targets


def check_class_weight(class_weight: Any) -> None:
    """Refuse weights that would need all texts at once.

    Raises
    ------
    InputError
        For ``balanced``.
    """
    if class_weight == "balanced":
        raise InputError(
            "class_weight='balanced' is not supported by partial_fit, which never sees all texts: compute the weights "
            "with sklearn.utils.class_weight.compute_class_weight and pass them as a dict."
        )


def check_plain(specification: RunSpecification) -> None:
    """Refuse to go on from parts that a pass cannot train further.

    Raises
    ------
    InputError
        For several networks, or a linear part, which must see all texts at once.
    """
    if specification.ensemble.members > 1 or specification.wide.kind != "none":
        raise InputError(
            "partial_fit trains one network without a linear part, and this classifier has more: begin with "
            "partial_fit, or fit with settings={'ensemble.members': 1, 'wide.kind': 'none'}."
        )


def undivided(n_texts: int) -> Splits:
    """Return the split of a pass: every text is trained on."""
    nothing = np.empty(0, dtype=np.int64)
    return Splits(train=np.arange(n_texts), validation=nothing, test=nothing, note="partial_fit trains on every text")


def memory_to_bytes(memory: PassMemory) -> dict[str, Any]:
    """Return what a pass left as numbers and safetensors, for pickles without tensors."""
    groups: dict[str, Mapping[str, Any]] = {group: getattr(memory, group) for group in _MEMORY_GROUPS}
    tensors = {f"{g}.{name}": tensor.contiguous() for g, named in groups.items() for name, tensor in named.items()}
    numbers = {"kind": memory.kind, "n_steps": memory.n_steps, "n_passes": memory.n_passes}
    return {**numbers, "safetensors": safetensors.torch.save(tensors)}


def memory_from_bytes(state: dict[str, Any]) -> PassMemory:
    """Return what :func:`memory_to_bytes` was given."""
    state = dict(state)
    groups: dict[str, dict[str, Any]] = {group: {} for group in _MEMORY_GROUPS}
    for key, tensor in safetensors.torch.load(state.pop("safetensors")).items():
        group, _, name = key.partition(".")
        groups[group][name] = tensor
    return PassMemory(tensors=groups["tensors"], random=groups["random"], **state)
