import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sulsul.errors import SpecificationError
from sulsul.model.specification import (
    BatchNormLayer,
    DropoutLayer,
    ModelSpecification,
    OneHotInput,
    RecurrentLayer,
)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"input": {"kind": "embedding", "sizes": 3}}, "sizes"),
        ({"input": {"kind": "embedding", "size": 0}}, "greater than or equal to 1"),
        ({"input": {"kind": "words"}}, "one-hot"),
        ({"layers": [{"kind": "lstm", "units": -1}]}, "greater than or equal to 1"),
        ({"layers": [{"kind": "lstm"}]}, "units"),
        ({"layers": [{"kind": "gru", "units": 2, "activation": "relu"}]}, "tanh"),
        ({"layers": [{"kind": "lstm", "units": 2, "reset_after": False}]}, "gru"),
        ({"layers": [{"kind": "dropout", "rate": 1.0}]}, "less than 1"),
        ({"layers": [{"kind": "batch-norm", "momentum": 1.0}]}, "less than 1"),
        ({"pooling": "first"}, "attention"),
        ({"input": {"kind": "one-hot"}, "layers": []}, "recurrent layer"),
        ({"input": {"kind": "one-hot"}, "layers": [{"kind": "dropout", "rate": 0.1}]}, "recurrent layer"),
    ],
)
def test_what_is_refused(value: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(words)):
        ModelSpecification.model_validate(value)


@pytest.mark.parametrize(
    ("output", "n_classes", "multi_label", "words"),
    [
        ("auto", 1, False, "at least 2 classes"),
        ("softmax", 1, False, "at least 2 classes"),
        ("sigmoid", 3, False, "softmax"),
        ("sigmoid", 2, True, "multi-label"),
        ("multi-label", 3, False, "label_separator"),
    ],
)
def test_an_output_that_cannot_express_the_classes(
    output: str, n_classes: int, words: str, *, multi_label: bool
) -> None:
    specification = ModelSpecification.model_validate({"output": output})
    with pytest.raises(SpecificationError, match=words):
        specification.logits_for(n_classes, multi_label=multi_label)


@pytest.mark.parametrize(
    ("output", "n_classes", "multi_label", "resolved", "n_logits"),
    [
        ("auto", 2, False, "sigmoid", 1),
        ("auto", 3, False, "softmax", 3),
        ("auto", 3, True, "multi-label", 3),
        ("auto", 1, True, "multi-label", 1),
        ("softmax", 2, False, "softmax", 2),
    ],
)
def test_outputs(output: str, n_classes: int, resolved: str, n_logits: int, *, multi_label: bool) -> None:
    specification = ModelSpecification.model_validate({"output": output})
    assert specification.resolved_output(n_classes, multi_label=multi_label) == resolved
    assert specification.logits_for(n_classes, multi_label=multi_label) == n_logits


RECURRENT = st.builds(
    RecurrentLayer,
    kind=st.sampled_from(["simple-rnn", "gru", "lstm"]),
    units=st.integers(1, 9),
    bidirectional=st.booleans(),
)
OTHER = st.builds(DropoutLayer, rate=st.floats(0, 0.9)) | st.builds(BatchNormLayer)


@given(RECURRENT, st.lists(RECURRENT | OTHER, max_size=3))
def test_there_and_back_through_plain_values(first: RecurrentLayer, others: list[object]) -> None:
    specification = ModelSpecification(input=OneHotInput(), layers=(first, *others))
    assert ModelSpecification.model_validate(specification.model_dump(mode="json")) == specification


def test_sizes_of_a_layer() -> None:
    layer = RecurrentLayer(kind="gru", units=5, bidirectional=True)
    assert (layer.n_gates, layer.n_directions, layer.output_size) == (3, 2, 10)
