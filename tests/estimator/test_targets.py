import numpy as np
import pandas as pd
import polars as pl
import pytest

from sulsul.errors import InputError
from sulsul.estimator.targets import checked_targets, checked_weights, encoder_of


def test_integer_labels_keep_their_type_and_numeric_order() -> None:
    targets = checked_targets([10, 2, 10, 1], 4)
    assert targets.classes.tolist() == [1, 2, 10]
    assert targets.classes.dtype.kind == "i"
    assert encoder_of(targets).encode(targets.names).tolist() == [2, 1, 2, 0]


@pytest.mark.parametrize("make", [list, np.array, pd.Series, pl.Series])
def test_labels_may_come_in_any_collection(make: object) -> None:
    targets = checked_targets(make(["b", "a", "b"]), 3)  # type: ignore[operator]
    assert targets.classes.tolist() == ["a", "b"]


def test_an_indicator_matrix_makes_label_sets() -> None:
    targets = checked_targets(np.array([[1, 0, 1], [0, 0, 0]]), 2)
    assert targets.multi_label
    assert targets.names.to_list() == [["0", "2"], []]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "y is None"),
        (["a", "b"], "inconsistent numbers of samples"),
        (["a", "a", "a"], "at least 2 classes.*one class"),
        ([0.5, 1.5, 2.5], "continuous"),
        ([["a"], ["a", "b"], []], "MultiLabelBinarizer"),
        (np.array(["a", None, "b"], dtype=object), "y cannot be used"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(y: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked_targets(y, 3)


def test_weights_are_one_number_per_text() -> None:
    assert checked_weights(None, 2) is None
    weights = checked_weights([1, 0.5], 2)
    assert weights is not None
    assert weights.dtype == np.float32
    for bad in ([1.0], [1.0, -1.0], [np.nan, 1.0], [0.0, 0.0], [[1.0, 1.0]], ["a", "b"]):
        with pytest.raises(InputError):
            checked_weights(bad, 2)
