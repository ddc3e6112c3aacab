"""Explanations of a blend: both parts are in them, and they add up."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tests.explanation.networks import NETWORKS, random_predictor

from sulsul.bundle import Bundle
from sulsul.ensemble import Ensemble, fit_to_output
from sulsul.evaluation.baselines import fit_linear_baseline
from sulsul.evaluation.blending import Blend
from sulsul.explanation import explain, explain_corpus
from sulsul.explanation.deletion import log_odds_without, read_text
from sulsul.explanation.scores import log_odds_of_arrays
from sulsul.predictor import Predictor

TEXT = "정말 좋다  so GOOD, 뭐라고"
TRAINING = ["so good", "정말 좋다", "so bad", "정말 나쁘다", "plot plot", "그저 plot"] * 4
TASKS = [(2, False), (3, False), (3, True)]


def blend(network: str, n_classes: int, multi_label: bool, weight: float = 0.4, unit: Any = "char") -> Predictor:
    """Return two random networks and a linear model, blended."""
    smooth = {**NETWORKS[network], "pooling": "mean"}  # max pooling makes the path of the integral piecewise
    plain = random_predictor(smooth, n_classes=n_classes, multi_label=multi_label).bundle
    second = copy.deepcopy(plain.classifier)
    with torch.no_grad():
        for parameter in second.parameters():
            parameter *= -0.7
    ids = np.arange(len(TRAINING)) % 6 // 2 % n_classes
    labels = np.eye(n_classes)[ids] if multi_label else ids
    linear = fit_linear_baseline(TRAINING, labels, unit, n_classes=n_classes).classifier
    members = (plain.classifier, second)
    ensemble = Ensemble(members, linear, Blend(linear_weight=weight, temperature=1.3))
    bundle: Bundle = replace(plain, ensemble=ensemble)
    return Predictor(bundle)


def log_odds_of(predictor: Predictor, text: str, target: int) -> float:
    ensemble = predictor.bundle.ensemble
    logits = predictor.logits(predictor.encode([text]), [text])
    return float(log_odds_of_arrays(logits, np.array([target]), ensemble.output_kind)[0])


def without_anything(predictor: Predictor, target: int) -> float:
    """Return the log-odds of all-zero rows and no known n-gram."""
    ensemble = predictor.bundle.ensemble
    zeroed = copy.deepcopy(ensemble.members)
    with torch.no_grad():
        for member in zeroed:
            for name, parameter in member.named_parameters():
                first = name.startswith("layers.0.") and name.endswith("_direction.kernel")
                if name == "input.weight" or (member.specification.input.kind == "one-hot" and first):
                    parameter.zero_()
    recurrent = Ensemble(zeroed).recurrent_logits(predictor.encode([TEXT]))
    assert ensemble.linear is not None
    intercepts = ensemble.linear.scale * ensemble.linear.intercepts[None].astype(float)
    whole = ensemble.blend.combine(recurrent, fit_to_output(intercepts, ensemble.output_kind))
    return float(log_odds_of_arrays(whole, np.array([target]), ensemble.output_kind)[0])


@pytest.mark.parametrize(("n_classes", "multi_label"), TASKS)
@pytest.mark.parametrize("network", ["embedding", "one-hot"])
def test_integrated_gradients_of_a_blend_add_up(network: str, n_classes: int, multi_label: bool) -> None:
    predictor = blend(network, n_classes, multi_label)
    found = explain(predictor, TEXT, predictor.classes[1], "integrated-gradients", faithfulness=False)
    total = sum(token.influence for token in found.tokens) + found.remainder
    assert found.log_odds == pytest.approx(log_odds_of(predictor, TEXT, 1))
    assert total == pytest.approx(found.log_odds - without_anything(predictor, 1), abs=1e-7)


@pytest.mark.parametrize("unit", ["char", "word"])
def test_alone_the_linear_part_gives_what_its_ngrams_weigh(unit: str) -> None:
    predictor = blend("embedding", 2, False, weight=1.0, unit=unit)
    gradient = explain(predictor, TEXT, predictor.classes[1], "gradient", faithfulness=False)
    integrated = explain(predictor, TEXT, predictor.classes[1], "integrated-gradients", faithfulness=False)
    for one, other in zip(gradient.tokens, integrated.tokens, strict=True):
        assert one.influence == pytest.approx(other.influence, abs=1e-9)
    total = sum(token.influence for token in gradient.tokens) + gradient.remainder
    assert total == pytest.approx(log_odds_of(predictor, TEXT, 1) - log_odds_of(predictor, "", 1), abs=1e-9)


@pytest.mark.parametrize(("n_classes", "multi_label"), TASKS)
def test_occlusion_asks_both_parts(n_classes: int, multi_label: bool) -> None:
    predictor = blend("embedding", n_classes, multi_label)
    found = explain(predictor, "so good", predictor.classes[0], "occlusion", faithfulness=False)
    assert [token.token for token in found.tokens] == ["so", "good"]
    whole = log_odds_of(predictor, "so good", 0)
    expected = [whole - log_odds_of(predictor, text, 0) for text in (" good", "so ")]
    assert [token.influence for token in found.tokens] == pytest.approx(expected, abs=1e-6)


def test_deleting_nothing_changes_nothing() -> None:
    predictor = blend("embedding", 3, False)
    read = read_text(predictor, TEXT)
    (kept,) = log_odds_without(predictor, read, [np.ones(len(read.spans), dtype=bool)], 2)
    assert kept == pytest.approx(log_odds_of(predictor, TEXT, 2), abs=1e-6)


@pytest.mark.parametrize("text", ["", "   ", "뭐라고"])
def test_texts_without_a_known_token_are_explained(text: str) -> None:
    predictor = blend("embedding", 3, False)
    for method in ("gradient", "integrated-gradients", "occlusion"):
        found = explain(predictor, text, method=method)  # type: ignore[arg-type]
        assert np.isfinite([found.remainder, found.log_odds]).all()


def test_a_corpus_is_explained_by_the_whole_answer() -> None:
    predictor = blend("embedding", 2, False, weight=1.0, unit="word")
    found = explain_corpus(predictor, TRAINING)
    assert predictor.bundle.ensemble.linear is not None
    assert found.n_texts == len(TRAINING)
    assert "bad" in {entry.word for entry in found.words[predictor.classes[1]]}
    assert found.faithfulness is not None
    assert found.faithfulness.drop > found.faithfulness.random_drop
