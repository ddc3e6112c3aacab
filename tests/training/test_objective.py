import numpy as np
import pytest
import torch

from sulsul.training.objective import Objective, answers, count_correct, targets_tensor


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, x)


def test_class_weights_multiply_the_loss_of_a_text() -> None:
    logits, class_ids, weights = np.array([[0.5], [-2.0], [1.0]]), np.array([1, 0, 0]), np.array([3.0, 0.5], np.float32)
    loss = Objective("sigmoid", weights)(torch.tensor(logits), targets_tensor(class_ids))
    expected = (0.5 * softplus(-0.5) + 3.0 * softplus(-2.0) + 3.0 * softplus(1.0)) / 3
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_softmax_loss_is_divided_by_texts_not_by_weights() -> None:
    logits, class_ids, weights = torch.zeros(4, 3), np.array([0, 1, 2, 2]), np.array([2.0, 4.0, 1.0], np.float32)
    assert Objective("softmax", weights)(logits, targets_tensor(class_ids)).item() == pytest.approx(2.0 * np.log(3.0))


def test_label_weights_apply_where_the_label_is() -> None:
    sets, weights = np.array([[1.0, 0.0], [0.0, 0.0]], np.float32), np.array([5.0, 7.0], np.float32)
    loss = Objective("multi-label", weights)(torch.zeros(2, 2), targets_tensor(sets))
    assert loss.item() == pytest.approx((5.0 + 3.0) / 4 * np.log(2.0))


def test_answers_and_correct_counts() -> None:
    assert answers(np.array([[0.1], [-0.1], [0.0]])).tolist() == [1, 0, 0]
    assert answers(np.array([[0.1, 0.2, 0.0], [3.0, 1.0, 2.0]])).tolist() == [1, 0]
    assert count_correct(np.array([[0.1], [-0.1], [0.0]]), np.array([1, 1, 0])) == 2
    sets = np.array([[1.0, 0.0], [1.0, 1.0]], np.float32)
    assert count_correct(np.array([[2.0, -1.0], [2.0, -1.0]]), sets) == 1
