"""Weight, temperature and scale: what they find, and what they do where there is little to find."""

import numpy as np
import pytest

from sulsul.evaluation import log_loss
from sulsul.evaluation.blending import Blend, default_blend, fit_blend, fit_scale
from sulsul.evaluation.logits import answers_of_logits, loss_of_logits


def noisy_logits(truth, n_classes, strength, seed):
    rng = np.random.default_rng(seed)
    return strength * np.eye(n_classes)[truth] + rng.normal(size=(len(truth), n_classes))


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_loss_of_logits_is_the_log_loss_of_their_probabilities():
    truth = np.arange(50) % 3
    logits = noisy_logits(truth, 3, 1.0, 0)
    assert loss_of_logits(logits, truth).mean() == pytest.approx(log_loss(truth, softmax(logits)))
    hot = np.eye(3)[truth]
    assert loss_of_logits(logits, hot).mean() == pytest.approx(log_loss(hot, 1 / (1 + np.exp(-logits))))
    one = logits[:, :1]
    both = np.concatenate([np.zeros_like(one), one], axis=1)
    np.testing.assert_allclose(loss_of_logits(one, truth % 2), loss_of_logits(both, truth % 2))


def test_loss_of_extreme_logits_is_finite():
    assert np.isfinite(loss_of_logits(np.array([[1e4, -1e4]]), np.array([1]))).all()
    assert np.isfinite(loss_of_logits(np.array([[-1e4]]), np.array([1]))).all()


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_fitted_blend_is_better_than_either_part_and_weighs_the_better_more(multi_label):
    truth = np.random.default_rng(0).integers(0, 3, 3_000)
    strong, weak = noisy_logits(truth, 3, 2.0, 1), noisy_logits(truth, 3, 0.7, 2)
    wanted = np.eye(3)[truth] if multi_label else truth
    blend = fit_blend(strong, weak, wanted, temperature=True)
    losses = [loss_of_logits(x, wanted).mean() for x in (blend.combine(strong, weak), strong, weak)]
    assert losses[0] < losses[1] < losses[2]
    assert 0.0 < blend.linear_weight < 0.5
    assert blend.n_texts == 3_000


def test_a_temperature_mends_overconfidence():
    truth = np.random.default_rng(0).integers(0, 3, 3_000)
    honest = noisy_logits(truth, 3, 1.0, 1)
    honest = honest / fit_blend(honest, None, truth, temperature=True).temperature
    found = fit_blend(5.0 * honest, None, truth, temperature=True)
    assert found.temperature == pytest.approx(5.0, rel=0.05)
    assert found.linear_weight == 0.0


def test_a_hundred_texts_tell_that_one_part_knows_nothing():
    truth = np.random.default_rng(0).integers(0, 2, 100)
    useless = np.random.default_rng(1).normal(scale=4.0, size=(100, 1))
    good = np.where(truth, 3.0, -3.0)[:, None] + np.random.default_rng(2).normal(scale=2.0, size=(100, 1))
    assert fit_blend(useless, good, truth, temperature=True).linear_weight > 0.9


def test_few_texts_leave_the_blend_near_equal_weights():
    truth = np.array([0, 1])
    blend = fit_blend(np.array([[-1.0], [1.0]]), np.zeros((2, 1)), truth, temperature=True)
    assert 0.25 < blend.linear_weight < 0.5
    assert 0.4 < blend.temperature < 1.0
    perfect = fit_blend(np.array([[-1.0], [1.0]] * 500), np.zeros((1000, 1)), np.tile(truth, 500), temperature=True)
    assert np.isfinite(perfect.temperature)


def test_without_texts_or_freedom_the_defaults_stand():
    nothing = np.zeros((0, 2))
    assert fit_blend(nothing, nothing, np.zeros(0, int), temperature=True) == default_blend(True)
    assert fit_blend(np.zeros((3, 2)), None, np.zeros(3, int), temperature=False) == Blend()


def test_a_plain_blend_changes_nothing():
    logits = np.array([[0.1, 0.2]], np.float32)
    assert Blend().combine(logits, None) is logits


def test_scale_recovers_the_strength_of_decisions():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5_000, 1)) * 2
    truth = (rng.random((5_000, 1)) < 1 / (1 + np.exp(-logits)))[:, 0].astype(int)
    assert fit_scale(logits / 4, truth) == pytest.approx(4.0, rel=0.1)
    assert fit_scale(np.zeros((0, 1)), np.zeros(0, int)) == 3.0


def test_answers_of_logits():
    assert answers_of_logits(np.array([[0.5], [-0.5]]), multi_label=False).tolist() == [1, 0]
    assert answers_of_logits(np.array([[0.5, 1.0]]), multi_label=False).tolist() == [1]
    assert answers_of_logits(np.array([[0.5, -1.0]]), multi_label=True).tolist() == [[1, 0]]
