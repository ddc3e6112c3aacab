"""The rows of a split are those that scikit-learn's train_test_split gives."""

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from sulsul.corpora import Corpus, CorpusAudit, SplitSettings, split_corpus
from sulsul.corpora.shuffle_split import draw, draw_stratified, sizes_of
from sulsul.errors import LabelError, SplitError


def corpus_of(labels: list[str] | list[list[str]] | None, split_values: list[str | None] | None = None) -> Corpus:
    n = len(labels if labels is not None else split_values or [])
    return Corpus(
        texts=pl.Series("text", [f"text {i}" for i in range(n)], dtype=pl.String),
        labels=None if labels is None else pl.Series("label", labels),
        ids=None,
        rows=np.arange(1, n + 1, dtype=np.int64),
        source="memory",
        audit=CorpusAudit(n_rows=n, n_texts=n, label_column="label"),
        split_values=None if split_values is None else pl.Series("split", split_values),
    )


LABELS = [str(value) for value in np.random.default_rng(0).choice(["a", "b", "c"], size=200, p=[0.6, 0.3, 0.1])]


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("seed", [0, 42])
@pytest.mark.parametrize(("test", "validation"), [(0.2, 0.2), (0.1, 0.25), (0.0, 0.2), (0.3, 0.0)])
def test_fractions_equal_scikit_learn(stratify: bool, seed: int, test: float, validation: float) -> None:
    settings = SplitSettings(test=test, validation=validation, stratify=stratify, seed=seed)
    splits = split_corpus(corpus_of(LABELS), settings)
    labels = np.array(LABELS)
    rest, expected_test, expected_validation = np.arange(200), np.empty(0), np.empty(0)
    if test:
        rest, expected_test = train_test_split(
            rest, test_size=test, random_state=seed, stratify=labels if stratify else None
        )
    if validation:
        rest, expected_validation = train_test_split(
            rest, test_size=validation, random_state=seed, stratify=labels[rest] if stratify else None
        )
    np.testing.assert_array_equal(splits.train, rest)
    np.testing.assert_array_equal(splits.validation, expected_validation)
    np.testing.assert_array_equal(splits.test, expected_test)
    assert splits.train.dtype == splits.validation.dtype == splits.test.dtype == np.int64


def test_counts_of_rows_equal_scikit_learn() -> None:
    settings = SplitSettings(test_rows=30, validation_rows=20, train_rows=50, seed=7)
    splits = split_corpus(corpus_of(LABELS), settings)
    labels = np.array(LABELS)
    rest, test = train_test_split(np.arange(200), test_size=30, random_state=7, stratify=labels)
    train, validation = train_test_split(rest, test_size=20, train_size=50, random_state=7, stratify=labels[rest])
    np.testing.assert_array_equal(splits.test, test)
    np.testing.assert_array_equal(splits.validation, validation)
    np.testing.assert_array_equal(splits.train, train)


def test_training_rows_can_be_limited_without_a_validation_part() -> None:
    splits = split_corpus(corpus_of(LABELS), SplitSettings(test=0.0, validation=0.0, train_rows=40))
    assert len(splits.train) == 40
    assert len(splits.validation) == len(splits.test) == 0
    assert len(set(splits.train.tolist())) == 40


def test_numbers_of_the_seoul_notebook() -> None:
    labels = ["행정"] * 1098 + ["경제"] * 823 + ["복지"] * 217
    splits = split_corpus(corpus_of(labels), SplitSettings(test=0.2, validation=0.2, seed=42))
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (1368, 342, 428)


def test_no_row_is_lost_or_used_twice() -> None:
    splits = split_corpus(corpus_of(LABELS), SplitSettings())
    together = np.concatenate([splits.train, splits.validation, splits.test])
    np.testing.assert_array_equal(np.sort(together), np.arange(200))


def test_a_class_with_one_text_is_named_with_the_way_out() -> None:
    with pytest.raises(SplitError, match=r"class 'c' has fewer than 2 texts.*keep-classes.*stratify = false"):
        split_corpus(corpus_of(["a"] * 50 + ["b"] * 50 + ["c"]), SplitSettings())
    split_corpus(corpus_of(["a"] * 50 + ["b"] * 50 + ["c"]), SplitSettings(stratify=False))


def test_a_part_too_small_for_all_classes_is_refused() -> None:
    with pytest.raises(SplitError, match=r"test split of 2 out of 12 rows cannot hold one text of each of the 3"):
        split_corpus(corpus_of(["a", "b", "c"] * 4), SplitSettings(test=0.1))


def test_more_rows_than_there_are() -> None:
    with pytest.raises(SplitError, match=r"500 test rows .* there are 200"):
        split_corpus(corpus_of(LABELS), SplitSettings(test_rows=500))


def test_one_class_only() -> None:
    with pytest.raises(LabelError, match=r"memory, column 'label': there is only the class 'a'"):
        split_corpus(corpus_of(["a"] * 20), SplitSettings())


def test_a_split_column_is_followed() -> None:
    values = ["train", "Test", "dev", "train ", "valid", "training"]
    splits = split_corpus(corpus_of(["a", "b", "a", "b", "a", "b"], values), SplitSettings(column="part"))
    assert splits.train.tolist() == [0, 3, 5]
    assert splits.validation.tolist() == [2, 4]
    assert splits.test.tolist() == [1]
    assert splits.note == "train and validation and test as the source names them"


def test_the_part_a_split_column_lacks_is_taken_from_training() -> None:
    values = ["train"] * 100 + ["test"] * 100
    splits = split_corpus(corpus_of(LABELS, values), SplitSettings(column="part", validation=0.2, seed=3))
    labels = np.array(LABELS)
    train, validation = train_test_split(np.arange(100), test_size=0.2, random_state=3, stratify=labels[:100])
    np.testing.assert_array_equal(splits.train, train)
    np.testing.assert_array_equal(splits.validation, validation)
    np.testing.assert_array_equal(splits.test, np.arange(100, 200))


def test_an_unknown_split_value_names_its_row() -> None:
    with pytest.raises(SplitError, match=r"memory, row 2, column 'part': 'holdout' names no part"):
        split_corpus(corpus_of(["a", "b", "a"], ["train", "holdout", "test"]), SplitSettings(column="part"))
    with pytest.raises(SplitError, match=r"row 2, column 'part': None names no part"):
        split_corpus(corpus_of(["a", "b", "a"], ["train", None, "test"]), SplitSettings(column="part"))


def test_a_split_column_without_training_rows() -> None:
    with pytest.raises(SplitError, match="no row is left for training"):
        split_corpus(corpus_of(["a", "b"], ["test", "validation"]), SplitSettings(column="part"))


def test_label_sets_are_stratified_where_possible() -> None:
    sets = [["a"], ["a", "b"], ["b", "a"], []] * 25 + [["c"], ["a", "c"]]
    splits = split_corpus(corpus_of(sets), SplitSettings(test=0.2))
    assert "stratified on label sets but for 2 that occur once" in splits.note
    shares = [sum(sets[i] == ["a"] for i in part) / len(part) for part in (splits.train, splits.test)]
    assert abs(shares[0] - shares[1]) < 0.02


def test_too_many_label_sets_switch_stratification_off_and_the_note_says_so() -> None:
    sets = [[str(i), str(i + 1)] for i in range(20)] * 2
    splits = split_corpus(corpus_of(sets), SplitSettings(test=0.1, validation=0.0))
    assert splits.note == "test 0.1, seed 42, not stratified, as there are too many label sets"


def test_texts_without_labels_are_split_unstratified() -> None:
    base = corpus_of(LABELS)
    corpus = Corpus(base.texts, None, None, base.rows, "memory", base.audit)
    splits = split_corpus(corpus, SplitSettings(test=0.2, validation=0.0))
    expected, _ = train_test_split(np.arange(200), test_size=0.2, random_state=42)
    np.testing.assert_array_equal(splits.train, expected)


def test_a_number_of_rows_is_drawn_from_the_part_the_source_names() -> None:
    values = ["train"] * 80 + ["validation"] * 40 + ["test"] * 80
    settings = SplitSettings(column="part", test_rows=30, validation_rows=10, train_rows=20)
    splits = split_corpus(corpus_of(LABELS, values), settings)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (20, 10, 30)
    assert splits.train.max() < 80 <= splits.validation.min() <= splits.validation.max() < 120 <= splits.test.min()


@given(data=st.data())
def test_every_draw_equals_scikit_learn(data: st.DataObject) -> None:
    n_classes = data.draw(st.integers(2, 6))
    labels = np.array(data.draw(st.lists(st.integers(0, n_classes - 1), min_size=4, max_size=120)), dtype=np.str_)
    size = data.draw(st.one_of(st.floats(0.05, 0.95), st.integers(1, len(labels) - 1)))
    seed = data.draw(st.integers(0, 2**32 - 1))
    stratify = labels if data.draw(st.booleans()) else None
    keep = data.draw(st.one_of(st.none(), st.integers(1, len(labels))))
    n_taken, n_kept = sizes_of(len(labels), size, keep)
    try:
        expected = train_test_split(
            np.arange(len(labels)), test_size=size, train_size=keep, random_state=seed, stratify=stratify
        )
    except ValueError:
        assume(False)
    drawn = (
        draw(len(labels), n_taken, n_kept, seed) if stratify is None else draw_stratified(labels, n_taken, n_kept, seed)
    )
    np.testing.assert_array_equal(drawn[0], expected[0])
    np.testing.assert_array_equal(drawn[1], expected[1])


def test_a_share_that_leaves_nothing_for_training() -> None:
    with pytest.raises(SplitError, match="leaves none for training"):
        split_corpus(corpus_of(["a", "b", "a"]), SplitSettings(test=0.99, stratify=False))
