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


def test_folds_test_by_hand() -> None:
    # mean 0.02, s = 0.01, variance of the mean (1/3 + 1/2)·0.0001: t = 0.02/0.0091287 = 2.1909 with 2 df
    assert folds_test([0.01, 0.02, 0.03], test_share=0.5) == pytest.approx(2 * stats.t.sf(2.19089, 2), rel=1e-4)


def test_folds_test_without_variation() -> None:
    assert folds_test([0.0, 0.0], test_share=1.0) == 1.0
    assert folds_test([0.5, 0.5], test_share=1.0) == 0.0
    with pytest.raises(ValueError, match="two folds"):
        folds_test([0.5], test_share=1.0)
