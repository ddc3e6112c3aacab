import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.explanation.networks import NETWORKS, encode, random_predictor
from tests.tolerances import FINITE_DIFFERENCE, FINITE_DIFFERENCE_STEP

from sulsul.ensemble import Ensemble
from sulsul.errors import UsageError
from sulsul.explanation.gradients import gradient_times_input, integrated_gradients
from sulsul.explanation.scores import log_odds_of_arrays
from sulsul.predictor import Predictor

# Every word once, so that a change of its row is a change of that token alone.
TEXT = "정말 좋다 so good"


def scores(predictor: Predictor, texts: list[str], targets: np.ndarray) -> np.ndarray:
    logits = predictor.logits(encode(predictor, texts))
    return log_odds_of_arrays(logits, targets, predictor.bundle.classifier.output_kind)


def with_scaled_rows(predictor: Predictor, factor: float, token_id: int | None = None) -> Predictor:
    """Return the classifier with one row, or all rows, of its table scaled."""
    classifier = copy.deepcopy(predictor.bundle.classifier)
    chosen = slice(None) if token_id is None else token_id
    with torch.no_grad():
        for name, parameter in classifier.named_parameters():
            first_kernel = name.startswith("layers.0.") and name.endswith("_direction.kernel")
            one_hot = classifier.specification.input.kind == "one-hot"
            if name == "input.weight" or (one_hot and first_kernel):
                parameter[chosen] *= factor
    return Predictor(replace(predictor.bundle, ensemble=Ensemble((classifier,))))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("n_classes", "multi_label"), [(2, False), (3, False), (3, True)])
def test_gradient_times_input_is_the_derivative_by_the_scale_of_a_row(
    name: str, n_classes: int, multi_label: bool
) -> None:
    predictor = random_predictor(NETWORKS[name], n_classes=n_classes, multi_label=multi_label)
    encoded, targets = encode(predictor, [TEXT]), np.array([1])
    found = gradient_times_input(predictor.bundle.ensemble, encoded, targets).tokens
    step = FINITE_DIFFERENCE_STEP
    for position, token_id in enumerate(encoded.token_ids.tolist()):
        up, down = (
            scores(with_scaled_rows(predictor, 1 + sign * step, token_id), [TEXT], targets)[0] for sign in (1, -1)
        )
        assert found[position] == pytest.approx((up - down) / (2 * step), abs=FINITE_DIFFERENCE)


@pytest.mark.parametrize("name", NETWORKS)
def test_integrated_gradients_add_up(name: str) -> None:
    predictor = random_predictor(NETWORKS[name], n_classes=3)
    texts, targets = [TEXT, "", "so so very bad plot"], np.array([0, 1, 2])
    encoded = encode(predictor, texts)
    found = integrated_gradients(predictor.bundle.ensemble, encoded, targets, n_steps=64).tokens
    sums = np.array([found[a:b].sum() for a, b in zip(encoded.offsets, encoded.offsets[1:], strict=False)])
    zero = scores(with_scaled_rows(predictor, 0.0), texts, targets)
    # Max pooling makes the path piecewise smooth, where the rule errs by the width of one of its 64 steps.
    tolerance = 1e-9 if predictor.bundle.specification.model.pooling != "max" else 5e-3
    assert sums == pytest.approx(scores(predictor, texts, targets) - zero, abs=tolerance)


def test_a_batch_gives_each_text_what_it_gets_alone_and_changes_nothing() -> None:
    predictor = random_predictor(NETWORKS["attention"])
    classifier = predictor.bundle.classifier.train()
    before = copy.deepcopy(classifier.state_dict())
    texts = ["so good", "", "정말 정말 나쁘다 plot", "bad"]
    targets = np.array([1, 0, 0, 1])
    ensemble = predictor.bundle.ensemble
    together = gradient_times_input(ensemble, encode(predictor, texts), targets).tokens
    alone = [
        gradient_times_input(ensemble, encode(predictor, [text]), targets[row : row + 1]).tokens
        for row, text in enumerate(texts)
    ]
    assert together == pytest.approx(np.concatenate(alone), abs=1e-12)
    assert classifier.training
    assert all(torch.equal(before[name], tensor) for name, tensor in classifier.state_dict().items())
    assert all(parameter.grad is None for parameter in classifier.parameters())


def test_raw_ids_have_no_gradient() -> None:
    model = {"input": {"kind": "raw-ids"}, "layers": [{"kind": "lstm", "units": 2}]}
    predictor = random_predictor(model, text={"pad_to": 4, "max_length": 4})
    with pytest.raises(UsageError, match="occlusion"):
        gradient_times_input(predictor.bundle.ensemble, encode(predictor, ["so good"]), np.array([0]))
