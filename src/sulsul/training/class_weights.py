"""How much the training loss counts each class."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sulsul.errors import SpecificationError
from sulsul.training.settings import TrainingSettings

FloatArray = npt.NDArray[np.float32]


def class_weights(
    settings: TrainingSettings, class_ids: npt.NDArray[np.generic], classes: Sequence[str]
) -> FloatArray | None:
    """Return the weight of each class, or None where all count the same.

    Parameters
    ----------
    settings
        ``class_weight``: ``none``, ``balanced`` or a mapping from class names; a class left out counts 1.
    class_ids
        Labels of the training split: int64 (B,), or multi-hot (B, C) for label sets.
    classes
        Names of the classes, C of them.

    Returns
    -------
    numpy.ndarray, shape (C,), float32, or None
        One label per text: factors on a text's loss; ``balanced`` gives n / (C · count), scikit-learn's rule, whose
        mean over the texts is 1. Label sets: factors on the loss of the texts that carry the label; ``balanced`` gives
        the number of texts without it over the number with it.

    Raises
    ------
    SpecificationError
        For a class name that does not exist, or ``balanced`` with a class that has no training text (or a label that
        every text carries).
    """
    if settings.class_weight == "none":
        return None
    if isinstance(settings.class_weight, dict):
        return _given(settings.class_weight, classes)
    n_classes = len(classes)
    if class_ids.ndim == 2:
        with_label = class_ids.sum(axis=0).astype(np.float64)
        numerator, counts = class_ids.shape[0] - with_label, with_label
        lacking = (with_label == 0) | (numerator == 0)
    else:
        counts = np.bincount(class_ids.astype(np.int64), minlength=n_classes).astype(np.float64)
        numerator, lacking = np.full(n_classes, len(class_ids) / n_classes), counts == 0
    if lacking.any():
        name = classes[int(np.flatnonzero(lacking)[0])]
        raise SpecificationError(
            f"training.class_weight 'balanced' is undefined: class {name!r} is on none (or, as one label of a set, on "
            "all) of the training texts. Give weights by name or use 'none'."
        )
    weights: FloatArray = (numerator / counts).astype(np.float32)
    return weights


def _given(weights: dict[str, float], classes: Sequence[str]) -> FloatArray:
    unknown = sorted(set(weights) - set(classes))
    if unknown:
        raise SpecificationError(
            f"training.class_weight names {', '.join(map(repr, unknown))}, but the classes are "
            f"{', '.join(map(repr, classes))}."
        )
    return np.array([weights.get(name, 1.0) for name in classes], dtype=np.float32)
