import numpy as np
import pandas as pd
import polars as pl
import pytest

from sulsul.errors import InputError
from sulsul.estimator.texts import checked_texts

TEXTS = ["좋다", "", "so so"]


@pytest.mark.parametrize(
    "X",
    [
        TEXTS,
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        pd.Series(TEXTS, index=[7, 7, 9]),
        pl.Series(TEXTS),
        (text for text in TEXTS),
    ],
    ids=["list", "tuple", "str array", "object array", "pandas", "polars", "generator"],
)
def test_every_collection_of_strings_is_accepted(X: object) -> None:
    texts = checked_texts(X)
    assert texts == TEXTS
    assert all(type(text) is str for text in texts)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("one text", r"put it in a list: \[text\]"),
        (b"one text", "put it in a list"),
        ([["a", "b"]], r"X\[0\] is \['a', 'b'\], not a string. Give whole texts, not tokens"),
        (["a", None], r"X\[1\] is None, not a string. It is a missing value"),
        (pd.Series(["a", None]), r"X\[1\] .* missing value"),
        ([b"a"], "Decode bytes"),
        ([3], r"X\[0\] is 3, not a string"),
        (np.array([["a"], ["b"]]), r"shape \(2, 1\).*flat list"),
        (pd.DataFrame({"text": ["a"]}), r"table\['text'\]"),
        ({"a": 1}, "dict"),
        (3.5, "not a collection"),
    ],
)
def test_anything_else_is_refused_with_advice(X: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        checked_texts(X)
    assert isinstance(caught.value, ValueError)
