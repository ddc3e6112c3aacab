import numpy as np
import polars as pl
import pytest

from sulsul.errors import LabelError
from sulsul.text import LabelEncoder


def test_classes_are_sorted_and_ids_follow():
    encoder = LabelEncoder.fit(pl.Series(["행정", "경제", "행정", "복지"]))
    assert encoder.classes == ("경제", "복지", "행정")
    ids = encoder.encode(pl.Series(["복지", "행정"]))
    assert ids.dtype == np.int64
    assert ids.tolist() == [1, 2]


@pytest.mark.parametrize("as_series", [True, False])
def test_several_labels_per_text(as_series):
    labels = [["b"], [], ["a", "b"]]
    given = pl.Series(labels, dtype=pl.List(pl.String)) if as_series else labels
    encoder = LabelEncoder.fit(given)
    assert encoder.multi_label
    hot = encoder.encode(given)
    assert hot.dtype == np.float32
    assert hot.tolist() == [[0, 1], [0, 0], [1, 1]]


def test_an_unknown_label_names_file_row_and_known_labels():
    encoder = LabelEncoder.fit(["neg", "pos"])
    with pytest.raises(LabelError, match=r"test.csv, row 12: the label 'meh'.*neg, pos"):
        encoder.encode(["pos", "meh"], np.array([7, 12]), source="test.csv")
    with pytest.raises(LabelError, match="row 2"):
        encoder.encode(["pos", "meh"])


@pytest.mark.parametrize(("labels", "message"), [(["a", None], "row 2.*missing"), ([1, 2], "row 1.*not text")])
def test_missing_or_strange_labels(labels, message):
    with pytest.raises(LabelError, match=message):
        LabelEncoder.fit(labels)


@pytest.mark.parametrize(("labels", "message"), [(["a", "a"], "only 'a'"), ([], "none"), ([[], []], "none")])
def test_too_few_classes(labels, message):
    with pytest.raises(LabelError, match=message):
        LabelEncoder.fit(labels)


def test_a_class_named_twice():
    with pytest.raises(LabelError, match="twice"):
        LabelEncoder(("a", "b", "a"))
