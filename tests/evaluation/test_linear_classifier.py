"""The linear model as arrays: the same answers as scikit-learn's, and the same to the bit after a round trip."""

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from sulsul.errors import BundleError
from sulsul.evaluation.baselines import fit_linear_baseline
from sulsul.evaluation.linear_classifier import LinearClassifier, LinearDescription
from sulsul.evaluation.linear_fitting import CERTAIN, LinearFit
from sulsul.evaluation.ngrams import count_ngrams, fit_tfidf, transform_tfidf

TEXTS = [
    "정말 좋아요",
    "좋은 영화",
    "really good",
    "정말 싫어요",
    "싫은 영화",
    "really bad",
    "그저 그래요",
    "so so",
    "so",
] * 3
LABELS = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2] * 3)
OTHERS = ["정말", "good bad", "", "so 좋아요", "처음 보는 말"]


@pytest.mark.parametrize("labels", [LABELS, LABELS % 2, np.eye(3)[LABELS]])
def test_decisions_are_those_of_the_fitted_pipeline(labels):
    model = fit_linear_baseline(TEXTS, labels, "char", seed=1)
    features, matrix = fit_tfidf(TEXTS, "char", 4)
    other = transform_tfidf(OTHERS, features)
    targets = labels.T.astype(int) if labels.ndim == 2 else [labels]
    decisions = [
        LinearSVC(C=model.settings["C"], dual=True, tol=1e-3, max_iter=2000, random_state=1)
        .fit(matrix, target)
        .decision_function(other)
        for target in targets
    ]
    expected = np.stack(decisions, axis=1) if labels.ndim == 2 or labels.max() < 2 else decisions[0]
    np.testing.assert_allclose(model.classifier.decisions(other), expected, atol=1e-3)  # what the solver leaves open
    np.testing.assert_allclose(model.classifier.logits(OTHERS), model.classifier.scale * expected, atol=1e-2)


@pytest.mark.parametrize("unit", ["word", "char", "jamo"])
def test_round_trip_keeps_every_bit(unit):
    model = fit_linear_baseline(TEXTS, LABELS, unit).classifier
    description = LinearDescription.model_validate_json(model.description().model_dump_json())
    again = LinearClassifier.from_arrays(description, model.arrays(), n_columns=3)
    np.testing.assert_array_equal(again.logits(OTHERS), model.logits(OTHERS))


def test_logits_do_not_depend_on_the_other_texts():
    model = fit_linear_baseline(TEXTS, LABELS, "char").classifier
    alone = np.concatenate([model.logits([text]) for text in OTHERS])
    np.testing.assert_array_equal(alone, model.logits(OTHERS))


def test_constant_labels_and_absent_classes():
    _, matrix = fit_tfidf(TEXTS, "char", 2)
    fitted = LinearFit(matrix, np.array([[1, 0]] * len(TEXTS)), n_classes=2, seed=0).at(1.0)
    assert not fitted.weights.any()
    assert fitted.intercepts.tolist() == [CERTAIN, -CERTAIN]
    model = fit_linear_baseline(TEXTS, np.where(LABELS == 0, 0, 2), "char", n_classes=4)
    assert model.classifier.logits(OTHERS).shape == (5, 4)
    assert set(model.predict(TEXTS).tolist()) == {0, 2}


@pytest.mark.parametrize("by_ratio", [False, True])
def test_a_text_that_counts_nothing_is_as_good_as_absent(by_ratio):
    _, matrix = fit_tfidf(TEXTS, "char", 2)
    counts = np.ones(len(TEXTS))
    counts[:9] = 0.0
    flipped = np.concatenate([(LABELS[:9] + 1) % 3, LABELS[9:]])
    weighted = LinearFit(matrix, flipped, n_classes=3, seed=0, by_ratio=by_ratio, weights=counts).at(1.0)
    without = LinearFit(matrix[9:], LABELS[9:], n_classes=3, seed=0, by_ratio=by_ratio).at(1.0)
    decisions = [matrix @ fitted.weights + fitted.intercepts for fitted in (weighted, without)]
    np.testing.assert_allclose(*decisions, atol=0.03)


def test_a_model_saved_when_the_hash_had_22_bits_reads_the_same_ngrams():
    counts = count_ngrams(TEXTS, "word", 1, bits=22)
    buckets = np.unique(counts.indices).astype(np.int32)
    description = LinearDescription(unit="word", longest=1, scale=1.0, multi_label=False)
    arrays = {
        "buckets": buckets,
        "idf": np.ones(len(buckets)),
        "weights": np.arange(len(buckets), dtype=np.float32)[:, None],
        "intercepts": np.zeros(1, np.float32),
    }
    model = LinearClassifier.from_arrays(description, arrays, n_columns=1)
    assert model.description().bits == 22
    values = counts.toarray()[:, buckets]
    values[values > 0] = 1 + np.log(values[values > 0])
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    np.testing.assert_allclose(model.logits(TEXTS), values @ arrays["weights"], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("weights", np.zeros((2, 3), np.float32), "has weights"),
        ("weights", None, "other arrays"),
        ("idf", np.zeros(3, np.float32), "has idf"),
        ("buckets", "falling", "do not rise"),
        ("intercepts", np.full(3, np.nan, np.float32), "not finite"),
    ],
)
def test_damaged_arrays_are_refused(name, value, words):
    model = fit_linear_baseline(TEXTS, LABELS, "word").classifier
    arrays = model.arrays()
    if value is None:
        del arrays[name]
    else:
        arrays[name] = arrays[name][::-1].copy() if isinstance(value, str) else value
    with pytest.raises(BundleError, match=words):
        LinearClassifier.from_arrays(model.description(), arrays, n_columns=3)
