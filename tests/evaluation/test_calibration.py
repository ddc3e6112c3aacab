"""Calibration error by hand, and temperatures that are known in advance."""

import numpy as np
import pytest

from sulsul.evaluation.calibration import apply_temperature, calibration, fit_temperature


def test_expected_calibration_error_by_hand():
    # Confidence 0.9 twice, one right: gap 0.4. Confidence 0.6 twice, both right: gap 0.4.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    result = calibration([0, 1, 1, 1], probabilities, n_bins=10)
    assert result.ece == pytest.approx(0.4)
    filled = {round(b.high, 1): b for b in result.bins if b.n}
    assert set(filled) == {0.6, 0.9}  # bins are (low, high]
    assert (filled[0.9].n, filled[0.9].accuracy, filled[0.6].accuracy) == (2, 0.5, 1.0)
    assert result.bins[0].confidence is None


def test_perfect_certainty_falls_into_the_last_bin():
    result = calibration([0, 1], np.eye(2))
    assert (result.ece, result.brier, result.bins[-1].n) == (0.0, 0.0, 2)


def test_multi_label_pools_texts_and_labels():
    result = calibration(np.array([[1, 0], [0, 0]]), np.array([[0.9, 0.1], [0.1, 0.1]]), n_bins=5)
    assert [b.n for b in result.bins] == [3, 0, 0, 0, 1]
    assert result.ece == pytest.approx(0.1)


def test_calibrated_probabilities_have_a_small_error():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), size=20_000)
    true = (rng.random((20_000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    assert calibration(true, probabilities).ece < 0.02


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("multi_label", [False, True])
def test_a_known_temperature_is_found(temperature, multi_label):
    rng = np.random.default_rng(1)
    if multi_label:
        honest = rng.uniform(0.02, 0.98, size=(20_000, 3))
        true = (rng.random(honest.shape) < honest).astype(np.float32)
    else:
        honest = rng.dirichlet(np.ones(3), size=40_000)
        true = (rng.random((len(honest), 1)) > honest.cumsum(axis=1)).sum(axis=1)
    sharpened = apply_temperature(honest, 1 / temperature, multi_label=multi_label)
    assert fit_temperature(true, sharpened) == pytest.approx(temperature, rel=0.05)


def test_temperature_one_changes_nothing_and_no_temperature_changes_the_answer():
    probabilities = np.random.default_rng(2).dirichlet(np.ones(4), size=50)
    assert apply_temperature(probabilities, 1.0) == pytest.approx(probabilities)
    softened = apply_temperature(probabilities, 7.0)
    assert softened.sum(axis=1) == pytest.approx(np.ones(50))
    assert (softened.argmax(axis=1) == probabilities.argmax(axis=1)).all()


def test_a_temperature_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        apply_temperature(np.eye(2), 0.0)
