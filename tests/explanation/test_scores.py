import numpy as np
import pytest
import torch

from sulsul.explanation.scores import log_odds_of_arrays
from sulsul.model.loss import probabilities
from sulsul.model.specification import OutputKind


@pytest.mark.parametrize(("output", "n_logits"), [("sigmoid", 1), ("softmax", 4), ("multi-label", 4)])
def test_it_is_the_log_odds_of_the_probability(output: OutputKind, n_logits: int) -> None:
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(6, n_logits)))
    targets = np.array([0, 1, 1, 0, 1, 0])
    p = probabilities(logits, output).numpy()[np.arange(6), targets]
    assert log_odds_of_arrays(logits.numpy(), targets, output) == pytest.approx(np.log(p / (1 - p)))
