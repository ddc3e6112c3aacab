"""What a caller may hand over as ``y``: one label per text of any sortable kind, or an indicator matrix."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from sulsul.errors import InputError
from sulsul.text import LabelEncoder


@dataclass(frozen=True, eq=False)
class Targets:
    """The labels of the texts.

    Attributes
    ----------
    classes
        The classes in the caller's own type, sorted, shape (C,); 0 … C-1 for an indicator matrix.
    names
        Class names of every text: String (B,), or List[String] for an indicator matrix.
    multi_label
        Whether ``y`` was an indicator matrix.
    """

    classes: npt.NDArray[Any]
    names: pl.Series
    multi_label: bool


def class_names(classes: npt.NDArray[Any]) -> tuple[str, ...]:
    """Return the classes as a bundle names them."""
    return tuple(str(value) for value in classes.tolist())


def encoder_of(targets: Targets) -> LabelEncoder:
    """Return the label encoder whose class ids are positions in ``targets.classes``."""
    return LabelEncoder(class_names(targets.classes), multi_label=targets.multi_label)


def checked_targets(y: Any, n_texts: int, *, classes: npt.NDArray[Any] | None = None) -> Targets:
    """Return the labels of ``n_texts`` texts.

    Parameters
    ----------
    y
        Shape (B,): labels of one type that sorts. Shape (B, C): a 0/1 matrix for texts with any number of labels.
    n_texts
        B.
    classes
        All classes, of which ``y`` may hold any; None: those of ``y``, at least two.

    Raises
    ------
    InputError
        If ``y`` is missing, of another length, continuous, has a missing value, only one class or an unknown one.
    """
    from sklearn.utils.multiclass import check_classification_targets, type_of_target
    from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

    if y is None:
        raise InputError("requires y to be passed, but the target y is None: give one label per text.")
    if isinstance(y, pl.Series):
        y = y.to_numpy()
    try:
        values = check_array(y, ensure_2d=False, dtype=None, input_name="y", ensure_min_samples=0)
        check_consistent_length(range(n_texts), values)
        check_classification_targets(values)
        if type_of_target(values) == "multilabel-indicator":
            return _indicator_targets(values, classes)
        values = column_or_1d(values, warn=True)
        found = np.unique(values)
    except (ValueError, TypeError) as error:
        raise InputError(f"y cannot be used as labels: {error}{_advice(y)}") from None
    if classes is None:
        classes = _at_least_two(found)
    elif unknown := sorted(set(class_names(found)) - set(class_names(classes))):
        raise InputError(
            f"y holds {', '.join(unknown)}, but the classes are {', '.join(class_names(classes))}: the first call of "
            "partial_fit, or fit, names all of them."
        )
    names = pl.Series(values=[str(value) for value in values.tolist()], dtype=pl.String)
    return Targets(classes, names, multi_label=False)


def checked_classes(classes: Any) -> npt.NDArray[Any]:
    """Return the classes that the first ``partial_fit`` names, sorted, without repetitions.

    Raises
    ------
    InputError
        If they are not a flat collection of at least two labels of one type that sorts.
    """
    try:
        values = np.asarray(classes)
        found = np.unique(values)
    except (ValueError, TypeError) as error:
        raise InputError(f"classes cannot be used as labels: {error}.") from None
    if values.ndim != 1:
        raise InputError(f"classes must be a flat list of labels, not of shape {values.shape}.")
    return _at_least_two(found)


def _at_least_two(classes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if len(classes) < 2:
        only = f"Classifier can't train when only one class is present: {classes[0]!r}." if len(classes) else ""
        raise InputError(f"y must hold at least 2 classes. {only}")
    return classes


def _indicator_targets(values: npt.NDArray[Any], known: npt.NDArray[Any] | None) -> Targets:
    classes = np.arange(values.shape[1])
    if known is not None and len(known) != len(classes):
        raise InputError(f"y is a matrix of {len(classes)} columns, but the classifier has {len(known)} classes.")
    names = class_names(classes)
    rows = [[names[column] for column in np.flatnonzero(row)] for row in values]
    return Targets(classes, pl.Series(values=rows, dtype=pl.List(pl.String)), multi_label=True)


def _advice(y: Any) -> str:
    if isinstance(y, list | tuple) and y and isinstance(y[0], list | tuple | set):
        return " For several labels per text give a 0/1 matrix: sklearn.preprocessing.MultiLabelBinarizer makes it."
    return ""


def checked_weights(sample_weight: Any, n_texts: int) -> npt.NDArray[np.float32] | None:
    """Return the weight of every text, float32 (B,), or None where all count the same.

    Raises
    ------
    InputError
        If they are not finite numbers of at least 0, one per text and not all 0.
    """
    if sample_weight is None:
        return None
    try:
        weights = np.asarray(sample_weight, dtype=np.float32)
    except (ValueError, TypeError):
        raise InputError("sample_weight must hold one number per text.") from None
    if weights.ndim == 0:
        weights = np.full(n_texts, weights, dtype=np.float32)
    if weights.ndim != 1:
        raise InputError(f"Sample weights must be 1D array or scalar, not of shape {weights.shape}.")
    if len(weights) != n_texts:
        raise InputError(f"sample_weight has {len(weights)} values for {n_texts} texts.")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise InputError("sample_weight must hold finite numbers of at least 0.")
    if not weights.any():
        raise InputError("all sample weights are zero: there is nothing to learn from.")
    return weights
