import math

import pytest
import torch

from sulsul.model.loss import classification_loss, probabilities

LOGITS = torch.tensor([[1.0, 0.0, -1.0], [0.5, 2.0, 0.0]], dtype=torch.float64)


def log_softmax(row: list[float], k: int) -> float:
    return row[k] - math.log(sum(math.exp(value) for value in row))


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_softmax_by_hand() -> None:
    targets = torch.tensor([0, 2])
    first, second = -log_softmax([1, 0, -1], 0), -log_softmax([0.5, 2, 0], 2)
    assert classification_loss(LOGITS, targets, "softmax").item() == pytest.approx((first + second) / 2)
    weights = torch.tensor([2.0, 1.0, 5.0], dtype=torch.float64)
    weighted = classification_loss(LOGITS, targets, "softmax", class_weights=weights)
    # Divided by the number of texts, not by the sum of weights.
    assert weighted.item() == pytest.approx((2 * first + 5 * second) / 2)
    samples = torch.tensor([3.0, 0.0], dtype=torch.float64)
    assert classification_loss(LOGITS, targets, "softmax", sample_weights=samples).item() == pytest.approx(
        3 * first / 2
    )


def test_sigmoid_by_hand() -> None:
    logits, targets = torch.tensor([[2.0], [-1.0]], dtype=torch.float64), torch.tensor([1, 1])
    first, second = -math.log(logistic(2)), -math.log(logistic(-1))
    assert classification_loss(logits, targets, "sigmoid").item() == pytest.approx((first + second) / 2)
    targets = torch.tensor([1, 0])
    second = -math.log(logistic(1))
    weights = torch.tensor([4.0, 0.5], dtype=torch.float64)
    loss = classification_loss(logits, targets, "sigmoid", class_weights=weights)
    assert loss.item() == pytest.approx((0.5 * first + 4 * second) / 2)


def test_multi_label_by_hand() -> None:
    targets = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]], dtype=torch.float64)
    weights = torch.tensor([3.0, 1.0, 1.0], dtype=torch.float64)
    terms = [
        [-math.log(logistic(x)) if y else -math.log(1 - logistic(x)) for x, y in zip(row, wanted, strict=True)]
        for row, wanted in zip(LOGITS.tolist(), targets.tolist(), strict=True)
    ]
    expected = sum(map(sum, terms)) / 6
    assert classification_loss(LOGITS, targets, "multi-label").item() == pytest.approx(expected)
    weighted = expected + 2 * (terms[0][0] + terms[1][0]) / 6
    loss = classification_loss(LOGITS, targets, "multi-label", class_weights=weights)
    assert loss.item() == pytest.approx(weighted)


def test_extreme_logits_stay_finite() -> None:
    logits = torch.tensor([[1e4], [-1e4]])
    assert classification_loss(logits, torch.tensor([0, 1]), "sigmoid").item() == pytest.approx(1e4)
    assert probabilities(logits, "sigmoid").tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_probabilities() -> None:
    two = probabilities(torch.tensor([[math.log(3.0)]]), "sigmoid")
    assert two.tolist()[0] == pytest.approx([0.25, 0.75])
    assert probabilities(LOGITS, "softmax").sum(1).tolist() == pytest.approx([1.0, 1.0])
    assert probabilities(LOGITS, "multi-label")[0, 0].item() == pytest.approx(logistic(1))
