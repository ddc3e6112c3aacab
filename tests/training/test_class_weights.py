import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from sulsul.errors import SpecificationError
from sulsul.training.class_weights import class_weights
from sulsul.training.settings import TrainingSettings

CLASSES = ("경제", "복지", "행정")


def settings(class_weight: object) -> TrainingSettings:
    return TrainingSettings.model_validate({"class_weight": class_weight})


def test_none_means_no_weights() -> None:
    assert class_weights(settings("none"), np.array([0, 1]), CLASSES) is None


def test_balanced_is_scikit_learns_rule() -> None:
    class_ids = np.array([0, 0, 0, 0, 1, 2, 2])
    weights = class_weights(settings("balanced"), class_ids, CLASSES)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=class_ids)
    np.testing.assert_allclose(weights, expected, rtol=1e-7)


def test_balanced_label_sets_weigh_presence_against_absence() -> None:
    sets = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1], [0, 0, 0]], np.float32)
    np.testing.assert_allclose(class_weights(settings("balanced"), sets, CLASSES), [1 / 3, 3.0, 3.0], rtol=1e-7)


def test_given_weights_go_by_name_and_the_rest_count_1() -> None:
    weights = class_weights(settings({"행정": 2.5, "경제": 0.0}), np.array([0, 1]), CLASSES)
    assert weights is not None
    assert weights.tolist() == [0.0, 1.0, 2.5]


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(SpecificationError, match="names '교통', but the classes are '경제', '복지', '행정'"):
        class_weights(settings({"교통": 2.0}), np.array([0, 1]), CLASSES)


@pytest.mark.parametrize(
    ("class_ids", "name"),
    [
        (np.array([0, 0, 2]), "복지"),
        (np.array([[1, 0, 0], [0, 0, 1]], np.float32), "복지"),
        (np.array([[1, 1, 1], [0, 0, 1]], np.float32), "행정"),
    ],
)
def test_balanced_without_examples_is_refused(class_ids: np.ndarray, name: str) -> None:
    with pytest.raises(SpecificationError, match=f"class '{name}' is on none"):
        class_weights(settings("balanced"), class_ids, CLASSES)
