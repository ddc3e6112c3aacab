import numpy as np
import polars as pl
import pytest

from sulsul.errors import BundleError
from sulsul.evaluation.baselines import fit_linear_part
from sulsul.evaluation.linear_fitting import LinearFit
from sulsul.evaluation.ngram_vectors import NgramVectors
from sulsul.evaluation.ngrams import KnownNgrams, count_ngrams, fit_tfidf, transform_tfidf

TEXTS = ["good film", "fine film", "bad film", "poor film", "good plot", "bad plot"]
LABELS = [1, 1, 0, 0, 1, 0]


def vectors_of(words: dict[str, list[float]]) -> NgramVectors:
    """Vectors of some words, each said to stand in a quarter of all texts."""
    buckets = {int(count_ngrams([word], "word", 1).indices[0]): row for word, row in words.items()}
    rows = np.array([buckets[bucket] for bucket in sorted(buckets)], np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    known = KnownNgrams(np.array(sorted(buckets), np.int32), np.full(len(rows), 0.25, np.float32))
    return NgramVectors("word", 2, known, rows.astype(np.float16))


WORDS = {"good": [1, 0.1], "fine": [1, 0], "great": [1, -0.1], "bad": [-1, 0.1], "awful": [-1, 0], "film": [0.0, 1.0]}


def test_words_that_no_label_was_seen_with_are_weighed_by_their_neighbours() -> None:
    with_vectors = fit_linear_part(TEXTS, LABELS, "word", n_classes=2, first_line=False, vectors=vectors_of(WORDS))
    without = fit_linear_part(TEXTS, LABELS, "word", n_classes=2, first_line=False)
    never_labelled = ["great", "awful"]
    assert with_vectors.predict(never_labelled).tolist() == [1, 0]
    assert len(set(without.classifier.logits(never_labelled)[:, 0].tolist())) == 1
    assert with_vectors.classifier.settings["vectors"] == 2
    assert with_vectors.classifier.settings["ngrams"] == "1-2"


def test_the_weights_of_the_products_become_weights_of_the_ngrams() -> None:
    vectors = vectors_of(WORDS)
    features, _ = fit_tfidf(TEXTS, "word", 2, known=vectors.ngrams)
    basis = vectors.basis(features)
    dense = np.zeros((features.n_features, 2), np.float32)
    dense[features.column[vectors.ngrams.buckets]] = vectors.vectors
    others = transform_tfidf(["great film", "awful", "nothing known here"], features)
    np.testing.assert_allclose(basis.project(others), others.toarray() @ dense, atol=1e-6)
    weights = np.zeros(features.n_features, np.float32)
    basis.add_weights(weights, np.array([2.0, -3.0]))
    np.testing.assert_allclose(others @ weights, basis.project(others) @ [2.0, -3.0], atol=1e-5)


def test_vectors_of_nothing_that_stands_in_a_text_change_nothing_but_the_columns() -> None:
    vectors = vectors_of({"elsewhere": [1.0, 0.0]})
    truth = np.array(LABELS)
    features, matrix = fit_tfidf(TEXTS, "word", 2, known=vectors.ngrams)
    plain_features, plain = fit_tfidf(TEXTS, "word", 2)
    assert features.n_features == plain_features.n_features + 1
    fits = [
        LinearFit(m, truth, n_classes=2, seed=0, by_ratio=True, basis=basis).at(1.0, tolerance=1e-6)
        for m, basis in ((matrix, vectors.basis(features)), (plain, None))
    ]
    decisions = [m @ fit.weights + fit.intercepts for m, fit in zip((matrix, plain), fits, strict=True)]
    np.testing.assert_allclose(*decisions, atol=0.02)  # smoothing counts one column more


def test_how_rare_an_ngram_is_comes_from_the_other_texts() -> None:
    vectors = vectors_of({"film": [1.0, 0.0]})
    features, _ = fit_tfidf(TEXTS, "word", 1, known=vectors.ngrams)
    (column,) = features.column[vectors.ngrams.buckets]
    assert features.idf[column] == pytest.approx(1 + np.log((1 + 6) / (1 + 0.25 * 6)))


def test_what_is_saved_comes_back() -> None:
    vectors = vectors_of(WORDS)
    read = NgramVectors.from_arrays(vectors.description(), vectors.arrays())
    assert read.description() == vectors.description()
    for name, array in vectors.arrays().items():
        np.testing.assert_array_equal(read.arrays()[name], array)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("vectors", lambda a: a[:, :1], "vectors"),
        ("vectors", lambda a: a * np.float16(np.nan), "not finite"),
        ("shares", lambda a: a[:-1], "shares"),
        ("buckets", lambda a: a[::-1].copy(), "do not rise"),
        ("buckets", lambda a: a + 2**24, "do not rise"),
        ("buckets", lambda a: a.astype(np.int64), "int64"),
        ("buckets", None, "other arrays"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name, change, said) -> None:
    vectors = vectors_of(WORDS)
    arrays = vectors.arrays()
    if change is None:
        del arrays[name]
    else:
        arrays[name] = change(arrays[name])
    with pytest.raises(BundleError, match=said):
        NgramVectors.from_arrays(vectors.description(), arrays)


def test_a_series_of_texts_is_counted_as_a_list_is() -> None:
    one, other = (count_ngrams(texts, "word", 2) for texts in (TEXTS, pl.Series(TEXTS)))
    assert (one != other).nnz == 0
