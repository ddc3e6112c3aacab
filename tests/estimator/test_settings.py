import numpy as np
import pytest

from sulsul.errors import SpecificationError
from sulsul.estimator import RecurrentTextClassifier
from sulsul.estimator.settings import specification_of
from sulsul.recipes import load_recipe
from sulsul.specification import RunSpecification


def specification(seed: int | None = None, **parameters: object) -> RunSpecification:
    return specification_of(RecurrentTextClassifier(**parameters).get_params(), seed=seed)  # type: ignore[arg-type]


def test_without_parameters_it_is_the_recipe_but_for_the_test_split() -> None:
    default = load_recipe("default")
    found = specification()
    assert (found.model, found.text, found.training) == (default.model, default.text, default.training)
    assert found.split.test == 0.0


def test_parameters_reach_every_recurrent_layer() -> None:
    found = specification(cell="gru", units=np.int64(7), num_layers=2, bidirectional=False, seed=5)
    kinds = [(layer.kind, getattr(layer, "units", None)) for layer in found.model.layers]
    assert kinds == [("gru", 7), ("gru", 7), ("dropout", None)]
    assert found.training.seed == found.split.seed == 5


def test_any_setting_can_be_named() -> None:
    found = specification(settings={"training.clip_norm": None, "model.pooling": "last", "text.reserved": ["pad"]})
    assert found.training.clip_norm is None
    assert found.model.pooling == "last"
    assert found.text.reserved == ("pad",)


def test_class_weights_may_name_integer_classes() -> None:
    assert specification(class_weight={0: 1, 1: 3}).training.class_weight == {"0": 1.0, "1": 3.0}
    assert specification(class_weight="balanced").training.class_weight == "balanced"


def test_a_specification_may_stand_for_a_recipe() -> None:
    recipe = load_recipe("seoul-bigru-unpadded")
    assert specification(recipe=recipe).model == recipe.model
    assert specification(recipe="seoul-bigru-unpadded", epochs=2).training.epochs == 2


@pytest.mark.parametrize(
    "parameters",
    [
        {"units": 0},
        {"cell": "transformer"},
        {"num_layers": 0},
        {"validation_fraction": 1.0},
        {"class_weight": "heavy"},
        {"recipe": "none such"},
        {"settings": {"training.speed": 3}},
        {"settings": {"training.epochs": object()}},
    ],
)
def test_impossible_parameters_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(SpecificationError):
        specification(**parameters)
