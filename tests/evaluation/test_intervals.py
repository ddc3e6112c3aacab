"""Intervals: published worked examples, and coverage in simulation."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sulsul.evaluation.intervals import (
    bootstrap_interval,
    macro_f1_interval,
    paired_difference_interval,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [  # Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_matches_the_published_table(successes, n, low, high):
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_interval_agrees_with_scipy():
    from scipy.stats import binomtest

    expected = binomtest(362, 428).proportion_ci(method="wilson")
    assert wilson_interval(362, 428) == pytest.approx((expected.low, expected.high))
    assert wilson_interval(7, 7)[1] == 1.0


@settings(deadline=None)
@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_proportion_and_stays_within_bounds(counts):
    successes, n = counts
    low, high = wilson_interval(successes, n)
    assert 0.0 <= low <= successes / n <= high <= 1.0
    mirrored = wilson_interval(n - successes, n)
    assert (low, high) == pytest.approx((1 - mirrored[1], 1 - mirrored[0]))


@pytest.mark.parametrize(("successes", "n"), [(1, 0), (3, 2), (-1, 2)])
def test_impossible_proportions_are_refused(successes, n):
    with pytest.raises(ValueError, match="proportion"):
        wilson_interval(successes, n)


def test_impossible_levels_are_refused():
    with pytest.raises(ValueError, match="level"):
        wilson_interval(1, 2, level=1.0)


def test_bootstrap_of_a_mean_is_near_the_normal_interval():
    values = np.random.default_rng(0).normal(size=400)
    half = 1.96 * values.std() / 20
    assert bootstrap_interval(values) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)
    assert bootstrap_interval(values, lambda rows: float(np.mean(rows))) == bootstrap_interval(values)


def test_macro_f1_interval_agrees_with_resampling_rows():
    rng = np.random.default_rng(3)
    true = rng.integers(0, 3, 300)
    predicted = np.where(rng.random(300) < 0.8, true, rng.integers(0, 3, 300))
    from sklearn.metrics import f1_score

    pairs = np.stack([true, predicted], axis=1)
    by_rows = bootstrap_interval(
        pairs, lambda p: float(f1_score(p[:, 0].astype(int), p[:, 1].astype(int), average="macro")), resamples=400
    )
    assert macro_f1_interval(true, predicted, 3) == pytest.approx(by_rows, abs=0.02)


def test_macro_f1_interval_of_multi_hot_equals_that_of_class_ids():
    rng = np.random.default_rng(4)
    true, predicted = rng.integers(0, 3, (2, 200))
    hot = np.eye(3)
    assert macro_f1_interval(hot[true], hot[predicted], 3) == pytest.approx(
        macro_f1_interval(true, predicted, 3), abs=0.02
    )


def test_drawing_rows_and_drawing_counts_agree(monkeypatch):
    rng = np.random.default_rng(5)
    true, predicted = rng.integers(0, 4, (2, 500))
    drawn_counts = macro_f1_interval(true, predicted, 4)
    monkeypatch.setattr("sulsul.evaluation.intervals._MOST_OUTCOMES", 1)
    assert macro_f1_interval(true, predicted, 4) == pytest.approx(drawn_counts, abs=0.01)


def test_the_seed_makes_the_bootstrap_repeat():
    true, predicted = np.random.default_rng(6).integers(0, 2, (2, 50))
    first = macro_f1_interval(true, predicted, 2, seed=1)
    assert first == macro_f1_interval(true, predicted, 2, seed=1)
    assert first != macro_f1_interval(true, predicted, 2, seed=2)


def test_two_thousand_resamples_of_fifty_thousand_texts_stay_quick():
    true, predicted = np.random.default_rng(7).integers(0, 10, (2, 50_000))
    started = time.perf_counter()
    macro_f1_interval(true, predicted, 10)
    assert time.perf_counter() - started < 10  # about 0.05 s; the bound only catches a loop over texts


def test_paired_difference_brackets_the_difference_and_is_narrower_than_unpaired():
    rng = np.random.default_rng(8)
    first = rng.random(1000) < 0.8
    second = np.where(rng.random(1000) < 0.05, ~first, first)
    low, high = paired_difference_interval(first, second)
    assert low <= first.mean() - second.mean() <= high
    assert high - low < 0.05  # two independent 80 % scores on 1,000 texts would give 0.07


def test_empty_input_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        bootstrap_interval([])
    with pytest.raises(ValueError, match="at least one"):
        macro_f1_interval(np.zeros(0, int), np.zeros(0, int), 2)
    with pytest.raises(ValueError, match="at least one"):
        paired_difference_interval([], [])
