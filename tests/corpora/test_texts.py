"""Joining, NFC and counting; labels and kept classes."""

import sys
import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sulsul.corpora.labels import clean_labels, kept_rows
from sulsul.corpora.texts import join_texts, to_nfc
from sulsul.errors import DataError


def test_each_column_is_a_line_of_its_own() -> None:
    frame = pl.DataFrame({"a": ["x\r\nz", None, "y ", None, ""], "b": [" 1\n3", "2", None, None, ""]})
    texts, counts = join_texts(frame, ["a", "b"], name="t")
    assert texts.to_list() == ["x z\n 1\n3", "\n2", "y \n", "", ""]
    assert (counts.n_missing, counts.n_empty) == (1, 1)


def test_counts() -> None:
    values = [
        "ok",
        "",
        None,
        " \u3000\n",
        "nan",
        " None ",
        "null",
        "nana",
        "a\u200bb",
        "Ａ",
        "\ufffd",
        "e\u0301",
        " " * 100,
    ]
    texts, counts = join_texts(pl.DataFrame({"t": values}), ["t"], name="t")
    assert len(texts) == len(values)
    assert counts.n_missing == 1
    assert counts.n_empty == 3
    assert counts.n_nan_text == 3
    assert counts.n_zero_width == counts.n_full_width == counts.n_replacement_character == counts.n_not_nfc == 1
    assert texts[11] == "é"


def test_hangul_in_nfd_becomes_nfc() -> None:
    texts = pl.Series("text", ["한글", unicodedata.normalize("NFD", "한글"), "ascii"])
    normal, n_changed = to_nfc(texts)
    assert normal.to_list() == ["한글", "한글", "ascii"]
    assert n_changed == 1


def test_every_character_that_nfc_changes_is_noticed() -> None:
    for first in range(0, sys.maxunicode + 1, 4096):
        block = [chr(code) for code in range(first, first + 4096) if not 0xD800 <= code < 0xE000]
        if block:
            normal, _ = to_nfc(pl.Series("text", block))
            assert normal.to_list() == [unicodedata.normalize("NFC", character) for character in block]


def test_every_pair_that_nfc_composes_is_noticed() -> None:
    pairs = []
    for code in range(sys.maxunicode + 1):
        decomposed = unicodedata.decomposition(chr(code))
        if decomposed and "<" not in decomposed:
            pairs.append("".join(chr(int(part, 16)) for part in decomposed.split()))
    normal, _ = to_nfc(pl.Series("text", pairs))
    assert normal.to_list() == [unicodedata.normalize("NFC", pair) for pair in pairs]


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=8), min_size=1, max_size=5))
def test_nfc_equals_pythons(values: list[str]) -> None:
    normal, n_changed = to_nfc(pl.Series("text", values, dtype=pl.String))
    expected = [unicodedata.normalize("NFC", value) for value in values]
    assert normal.to_list() == expected
    assert n_changed == sum(a != b for a, b in zip(values, expected, strict=True))


def test_a_column_that_is_not_text() -> None:
    with pytest.raises(DataError, match="t: column 'a' holds Int64, not text"):
        join_texts(pl.DataFrame({"a": [1]}), ["a"], name="t")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 0, None], ["1", "0", None]),
        ([1.0, 0.0, None], ["1", "0", None]),
        ([1.0, float("nan")], ["1", None]),
        ([1.5, 2.0], ["1.5", "2.0"]),
        ([True, False], ["true", "false"]),
        (["1.0", "0.0", "2"], ["1", "0", "2"]),
        (["1.0", "a"], ["1.0", "a"]),
        (["10", "20"], ["10", "20"]),
        ([" 행정 ", unicodedata.normalize("NFD", "행정"), "", "  "], ["행정", "행정", None, None]),
        ([None, None], [None, None]),
    ],
)
def test_labels_become_class_names(values: list[object], expected: list[str | None]) -> None:
    assert clean_labels(pl.Series("l", values), None, name="t").to_list() == expected


def test_categorical_labels() -> None:
    labels = pl.Series("l", ["a", "b", None], dtype=pl.Categorical)
    assert clean_labels(labels, None, name="t").to_list() == ["a", "b", None]


def test_labels_separated_in_one_cell() -> None:
    labels = clean_labels(pl.Series("l", ["a; b", "b;;b", None, "", "c"]), ";", name="t")
    assert labels.to_list() == [["a", "b"], ["b"], [], [], ["c"]]


def test_lists_of_numbers_as_labels() -> None:
    assert clean_labels(pl.Series("l", [[1, 2], [1], None]), None, name="t").to_list() == [["1", "2"], ["1"], []]


@pytest.mark.parametrize("values", [[{"a": 1}], [[[1]]], [[0.5]], [b"x"]])
def test_values_that_cannot_name_a_class(values: list[object]) -> None:
    with pytest.raises(DataError, match="t: label column 'l' holds"):
        clean_labels(pl.Series("l", values), None, name="t")


def test_kept_classes() -> None:
    labels, mask = kept_rows(pl.Series("l", ["a", "b", None, "c"]), ["a", " c "], name="t")
    assert mask.to_list() == [True, False, False, True]
    assert labels.to_list() == ["a", "b", None, "c"]
    labels, mask = kept_rows(pl.Series("l", [["a", "b"], ["b"], [], ["c", "a"]]), ["a", "c"], name="t")
    assert mask.to_list() == [True, False, False, True]
    assert labels.to_list() == [["a"], [], [], ["c", "a"]]
    with pytest.raises(DataError, match=r"t: no row has the class '환경'; the classes are a, b\."):
        kept_rows(pl.Series("l", ["a", "b"]), ["a", "환경"], name="t")
