"""Columns as named, or guessed: by well-known names, then by what they hold, and never among several."""

import polars as pl
import pytest

from sulsul.corpora import DataSettings
from sulsul.corpora.columns import ColumnChoice, Labels, choose_columns
from sulsul.errors import DataError, UsageError


def choose(
    names: str, head: dict[str, list[object]] | None = None, labels: Labels = "required", **chosen: object
) -> ColumnChoice:
    schema = dict.fromkeys(names.split(","), pl.String())
    frame = pl.DataFrame(head) if head is not None else None
    return choose_columns(schema, frame, DataSettings(**chosen), name="t.csv", labels=labels)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "text", "label", "id_column"),
    [
        ("id,document,label", ("document",), "label", "id"),
        ("번호,분류,제목,내용,내용번호", ("제목", "내용"), "분류", "번호"),
        ("review,sentiment", ("review",), "sentiment", None),
        ("label,title,text", ("title", "text"), "label", None),
        ("Title,Category", ("Title",), "Category", None),
        ("TEXT,Target,ID", ("TEXT",), "Target", "ID"),
    ],
)
def test_well_known_names(names: str, text: tuple[str, ...], label: str, id_column: str | None) -> None:
    choice = choose(names)
    assert (choice.text, choice.label, choice.id) == (text, label, id_column)
    assert choice.guess is not None
    assert "by name" in choice.guess


def test_what_is_named_is_not_guessed() -> None:
    choice = choose("a,b,c,id", text=("b", "a"), label="c")
    assert (choice.text, choice.label, choice.id, choice.guess) == (("b", "a"), "c", "id", None)
    assert choice.all == ["b", "a", "c", "id"]


HEAD = {
    "q": ["this is quite a long text to read", "and another one of the same length"] * 3
    + ["and so on and so forth it goes"] * 0,
    "kind": ["x", "y"] * 3,
    "n": [0.5, 0.25, 0.125, 1.5, 2.5, 3.5],
}


def test_types_decide_where_names_do_not() -> None:
    head = {**HEAD, "q": [f"this is quite a long text number {i}" for i in range(6)]}
    choice = choose("q,kind,n", head)
    assert (choice.text, choice.label) == (("q",), "kind")
    assert (
        choice.guess
        == "text column 'q' (the only one with long texts); label column 'kind' (by its few distinct values)"
    )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("text,review,label", r"several columns could hold the text; give it with --text text or --text review or"),
        (
            "text,label,category",
            r"several columns could hold the label; give it with --label label or --label category",
        ),
        ("a,label", r"no column looks like the text; give it with --text a\. There are the columns 'a', 'label'"),
        ("text,a,b", r"no column looks like the label; give it with --label a or --label b"),
    ],
)
def test_an_ambiguous_table_asks_with_the_options_to_give(names: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choose(names)


def test_two_columns_of_few_values_are_ambiguous() -> None:
    head = {"text": ["a"] * 10, "k1": ["x", "y"] * 5, "k2": ["u", "v"] * 5}
    with pytest.raises(UsageError, match=r"--label k1 or --label k2"):
        choose("text,k1,k2", head)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"text": ("본문",)}, r"no column '본문' \(--text\); there are the columns 'text', 'label'"),
        ({"label": "kind"}, r"no column 'kind' \(--label\)"),
        ({"id": "key"}, r"no column 'key' \(--id\)"),
    ],
)
def test_a_wrong_column_lists_those_that_exist(chosen: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        choose("text,label", **chosen)


def test_labels_may_be_ignored_or_optional() -> None:
    assert choose("text,label", labels="ignored").label is None
    assert choose("text,label", labels="optional").label == "label"
    assert choose("text,other", labels="optional").label is None
