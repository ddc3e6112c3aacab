import numpy as np
import pytest
from scipy import stats

from sulsul.evaluation.repetitions import folds_test, seeds_test


def test_one_seed_each_is_the_paired_t_test_over_texts() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((1, 300)) < 0.8, rng.random((1, 300)) < 0.75
    expected = stats.ttest_rel(first[0].astype(float), second[0].astype(float)).pvalue
    assert seeds_test(first, second) == pytest.approx(expected)


def test_a_lucky_seed_is_no_difference() -> None:
    rng = np.random.default_rng(1)
    # One network learned and the other did not, in one of three seeds: the texts alone would be sure of a difference.
    first = rng.random((3, 2000)) < np.array([[0.9], [0.9], [0.9]])
    second = rng.random((3, 2000)) < np.array([[0.9], [0.9], [0.5]])
    over_texts = stats.ttest_rel(first.mean(axis=0), second.mean(axis=0)).pvalue
    assert over_texts < 1e-9
    assert seeds_test(first, second) > 0.3


def test_seeds_test_is_symmetric_and_certain_where_nothing_varies() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.random((3, 100)) < 0.8, rng.random((1, 100)) < 0.6
    assert seeds_test(first, second) == pytest.approx(seeds_test(second, first))
    assert seeds_test(first[:1], first[:1]) == 1.0
    assert seeds_test(np.ones((1, 9), bool), np.zeros((1, 9), bool)) == 0.0


def test_seeds_test_keeps_its_level_when_seeds_and_texts_vary() -> None:
    rng = np.random.default_rng(3)
    rejections = 0
    for _ in range(400):
        difficulty = rng.normal(0.8, 0.25, 200)
        seeds = rng.normal(0.0, 0.03, (2, 3, 1))
        correct = rng.random((2, 3, 200)) < np.clip(difficulty + seeds, 0.0, 1.0)
        rejections += seeds_test(correct[0], correct[1]) < 0.05
    assert rejections <= 0.05 * 400 + 3 * np.sqrt(400 * 0.05 * 0.95)


@pytest.mark.parametrize("shapes", [((1, 5), (1, 6)), ((5,), (5,)), ((1, 1), (1, 1))])
def test_texts_must_pair(shapes) -> None:
    with pytest.raises(ValueError, match="two texts or more"):
        seeds_test(np.ones(shapes[0], bool), np.ones(shapes[1], bool))


def test_folds_that_vary_as_their_texts_do_are_tested_as_texts() -> None:
    # Each fold has the same 30 differences, so that nothing is left for the training to explain.
    difference = np.array([1] * 5 + [-1] * 1 + [0] * 24)
    first, second = np.tile(difference >= 0, 4)[None], np.tile(difference <= 0, 4)[None]
    within = difference.var(ddof=1) / 120
    expected = 2 * stats.t.sf(difference.mean() / np.sqrt(within), 116)
    assert folds_test(first, second, [30] * 4) == pytest.approx(expected)


def test_folds_test_by_hand() -> None:
    # The folds differ by 1/2 and 0; one text in two differs in the first, with variance 0.5.
    first, second = np.array([[True, True, True, True]]), np.array([[False, True, True, True]])
    errors = np.array([0.5 / 2, 0.0])
    from_texts = (errors / 4).sum()
    from_training = max(0.0, 0.125 - errors.mean()) * 1.5
    assert from_training == 0.0
    expected = 2 * stats.t.sf(0.25 / np.sqrt(from_texts), 2)
    assert folds_test(first, second, [2, 2]) == pytest.approx(expected)


@pytest.mark.parametrize(("training_deviation", "level"), [(0.0, 0.05), (0.03, 0.10), (0.1, 0.10)])
def test_folds_test_keeps_its_level(training_deviation: float, level: float) -> None:
    rng = np.random.default_rng(4)
    n_folds, size, n_simulations = 5, 100, 600
    rejections = 0
    for _ in range(n_simulations):
        # What the folds share of their training texts correlates their outcomes by n_test/(n_train + n_test).
        shared, own = rng.normal(size=(2, 1)), rng.normal(size=(2, n_folds))
        training = training_deviation * (np.sqrt(1 / n_folds) * shared + np.sqrt(1 - 1 / n_folds) * own)
        chance = np.clip(0.8 + np.repeat(training, size, axis=1), 0.0, 1.0)
        correct = rng.random((2, 1, n_folds * size)) < chance[:, None]
        rejections += folds_test(correct[0], correct[1], [size] * n_folds) < 0.05
    assert rejections <= level * n_simulations + 3 * np.sqrt(n_simulations * level * (1 - level))


def test_folds_that_disagree_are_no_difference() -> None:
    # Better by 20 points in half of the folds and not at all in the other: the texts alone would be sure.
    first = np.ones((1, 800), bool)
    second = np.ones((1, 800), bool)
    second[0, :40] = second[0, 200:240] = False
    assert stats.ttest_rel(first[0].astype(float), second[0].astype(float)).pvalue < 1e-9
    assert folds_test(first, second, [200] * 4) > 0.2


def test_folds_test_without_variation_and_with_wrong_shapes() -> None:
    right, wrong = np.ones((1, 4), bool), np.zeros((1, 4), bool)
    assert folds_test(right, right, [2, 2]) == 1.0
    assert folds_test(right, wrong, [2, 2]) == 0.0
    with pytest.raises(ValueError, match="two folds or more"):
        folds_test(right, wrong, [4])
    with pytest.raises(ValueError, match="5 texts in the folds"):
        folds_test(right, wrong, [2, 3])
