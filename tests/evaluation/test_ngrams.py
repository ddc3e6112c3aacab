"""N-gram features against scikit-learn's, which they must equal up to the order of columns."""

from unicodedata import normalize

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from sulsul.evaluation import ngrams
from sulsul.evaluation.ngrams import fit_tfidf, transform_tfidf

TEXTS = [
    "버스가 오지 않아요! 버스 노선 A를 보내 주세요",
    "The film is not good, it is  great",
    "the film is not great, it is\tgood",
    "버스 노선",
    "",
    "   ",
    "🙂 good 🙂",
]


def similarities(matrix):
    return (matrix @ matrix.T).toarray()


def reference(unit, longest, min_texts):
    if unit == "word":
        return TfidfVectorizer(
            token_pattern=r"\w+|[^\w\s]", ngram_range=(1, longest), sublinear_tf=True, min_df=min_texts
        ).fit(TEXTS)
    form = "NFD" if unit == "jamo" else "NFC"
    return TfidfVectorizer(
        analyzer="char",
        preprocessor=lambda text: normalize(form, f" {' '.join(text.lower().split())} " if text.strip() else ""),
        ngram_range=(1, longest),
        sublinear_tf=True,
        min_df=min_texts,
    ).fit(TEXTS)


@pytest.mark.parametrize(
    ("unit", "longest"), [("word", 1), ("word", 2), ("char", 1), ("char", 4), ("jamo", 1), ("jamo", 6)]
)
@pytest.mark.parametrize("min_texts", [1, 2])
@pytest.mark.parametrize("block", [1, 40, 1_000_000])
def test_similarities_equal_those_of_scikit_learn(unit, longest, min_texts, block, monkeypatch):
    monkeypatch.setattr(ngrams, "_BLOCK", block)
    features, matrix = fit_tfidf(TEXTS, unit, longest, min_texts=min_texts)
    theirs = reference(unit, longest, min_texts)
    assert features.n_features == len(theirs.vocabulary_)
    assert similarities(matrix) == pytest.approx(similarities(theirs.transform(TEXTS)), abs=1e-12)
    others = ["새 버스 노선", "not great"]
    ours = (transform_tfidf(others, features) @ matrix.T).toarray()
    assert ours == pytest.approx((theirs.transform(others) @ theirs.transform(TEXTS).T).toarray(), abs=1e-12)


@pytest.mark.parametrize("unit", ["word", "char", "jamo"])
def test_first_lines_have_features_of_their_own(unit):
    texts = ["good bus\nbad", "bad bus\ngood", "good bus bad", "bad\ngood bus\nbad", ""]
    plain, without = fit_tfidf(texts, unit, 2, min_texts=1)
    features, matrix = fit_tfidf(texts, unit, 2, min_texts=1, first_line=True)
    of_titles, _ = fit_tfidf(["good bus", "bad bus", "bad"], unit, 2, min_texts=1)
    assert features.n_features == plain.n_features + of_titles.n_features
    assert without[0].nnz < matrix[0].nnz
    assert without[2].nnz == matrix[2].nnz  # a single line is no title
    same = transform_tfidf(texts, features) - matrix
    assert abs(same).max() == 0


def test_equal_words_agree_between_calls():
    features, _ = fit_tfidf(["alpha beta", "beta gamma"], "word", 2, min_texts=1)
    alone = transform_tfidf(pl.Series(["beta gamma"]), features)
    assert alone.nnz == 3  # beta, gamma, beta gamma


def test_rare_ngrams_are_kept_where_nothing_else_is_left():
    features, matrix = fit_tfidf(["one", "two"], "word", 1, min_texts=2)
    assert features.n_features == 2
    assert matrix.nnz == 2


def test_texts_without_any_ngram_are_rows_of_zeros():
    _, matrix = fit_tfidf(["", " \t", "word"], "word", 2, min_texts=1)
    assert np.diff(matrix.indptr).tolist() == [0, 0, 1]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=8))
def test_any_text_gives_rows_of_length_one_or_zero(texts):
    for unit in ("word", "char", "jamo"):
        _, matrix = fit_tfidf(texts, unit, 3, min_texts=1)
        norms = np.sqrt(np.asarray((matrix**2).sum(axis=1)).ravel())
        assert matrix.shape[0] == len(texts)
        assert np.all((np.abs(norms - 1) < 1e-9) | (norms == 0))
