import numpy as np

from sulsul.evaluation.baselines import fit_linear_baseline
from sulsul.evaluation.linear_pruning import prune_linear

TEXTS = [f"{word} text {k % 5}" for k in range(20) for word in ("good", "bad", "odd")]
LABELS = np.array([k % 3 for k in range(60)])


def test_the_weights_that_move_answers_most_stay():
    model = fit_linear_baseline(TEXTS, LABELS, "word").classifier
    small = prune_linear(model, 3)
    assert small.features.n_features == 3
    assert small.weights.shape == (3, 3)
    moved = np.abs(model.weights).max(axis=1) * model.features.idf
    kept = np.abs(small.weights).max(axis=1) * small.features.idf
    assert kept.min() >= np.sort(moved)[-3] - 1e-9
    assert sorted(np.flatnonzero(small.features.column >= 0)) == sorted(small.arrays()["buckets"])


def test_nothing_changes_where_all_stay():
    model = fit_linear_baseline(TEXTS, LABELS, "char").classifier
    same = prune_linear(model, 10**9)
    np.testing.assert_array_equal(same.logits(TEXTS[:5]), model.logits(TEXTS[:5]))
