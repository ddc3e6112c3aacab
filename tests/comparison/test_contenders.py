import pytest

from sulsul.comparison import build_contenders, controls_of, model_named
from sulsul.errors import UsageError
from sulsul.model.specification import ModelSpecification, RecurrentLayer
from sulsul.recipes import load_recipe
from sulsul.specification import RunSpecification


def cells(model: ModelSpecification) -> list[tuple[str, int, bool]]:
    return [
        (layer.kind, layer.units, layer.bidirectional) for layer in model.layers if isinstance(layer, RecurrentLayer)
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("simple-rnn", [("simple-rnn", 64, False)]),
        ("rnn", [("simple-rnn", 64, False)]),
        ("birnn", [("simple-rnn", 64, True)]),
        ("gru", [("gru", 64, False)]),
        ("bilstmx2", [("lstm", 64, True)] * 2),
        ("bigru-32", [("gru", 32, True)]),
        ("lstmx3-128", [("lstm", 128, False)] * 3),
        ("base", [("lstm", 64, True)]),
    ],
)
def test_names(name: str, expected: list[tuple[str, int, bool]]) -> None:
    base = load_recipe("default").model
    model = model_named(name, base)
    assert cells(model) == expected
    assert [layer.kind for layer in model.layers][-1] == "dropout"
    assert (model.input, model.pooling, model.head) == (base.input, base.pooling, base.head)


def test_layers_of_the_base_are_kept_in_number_and_place() -> None:
    base = load_recipe("seoul-bilstm-batchnorm").model
    model = model_named("gru", base)
    assert len(cells(model)) == len(cells(base))
    kinds = ["recurrent" if isinstance(layer, RecurrentLayer) else layer.kind for layer in base.layers]
    assert kinds == ["recurrent" if isinstance(layer, RecurrentLayer) else layer.kind for layer in model.layers]


def test_relu_is_dropped_for_a_gru() -> None:
    base = ModelSpecification(layers=(RecurrentLayer(kind="lstm", units=4, activation="relu"),))
    gru, lstm = model_named("gru", base).layers[0], model_named("bilstm", base).layers[0]
    assert isinstance(gru, RecurrentLayer)
    assert isinstance(lstm, RecurrentLayer)
    assert (gru.activation, lstm.activation) == ("tanh", "relu")


@pytest.mark.parametrize("name", ["transformer", "lstmx0", "bi", "", "lstm-0", "LSTM"])
def test_unreadable_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="bilstm, grux2 or lstm-128"):
        model_named(name, ModelSpecification())


def test_the_whole_answer_of_a_recipe_enters_beside_its_network() -> None:
    base = load_recipe("default").with_overrides(["ensemble.members=3", "wide.kind=linear"])
    whole, network = build_contenders([base], ["whole", "base"])
    assert (whole.name, network.name) == ("default, whole", "default")
    assert (whole.specification.ensemble.members, whole.specification.wide.kind) == (3, "linear")
    assert (network.specification.ensemble.members, network.specification.wide.kind) == (1, "none")
    assert (whole.is_one_network, network.is_one_network) == (False, True)
    assert all(control.specification.ensemble.members == 1 for control in controls_of(network))


def test_bases_share_data_split_and_seed_of_the_first() -> None:
    first = load_recipe("default").with_overrides(["training.seed=7", "split.seed=5"])
    other = load_recipe("seoul-bigru")
    found = build_contenders([first, other], ["base", "gru"])
    assert [contender.name for contender in found] == ["default", "default/gru", "seoul-bigru", "seoul-bigru/gru"]
    assert all(contender.specification.split == first.split for contender in found)
    assert all(contender.specification.training.seed == 7 for contender in found)
    assert found[2].specification.text == other.text


def test_contenders_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="gru: named twice"):
        build_contenders([load_recipe("default")], ["gru", "lstm", "gru"])


def test_without_recurrence_nothing_but_recurrence_is_gone() -> None:
    (contender,) = build_contenders([load_recipe("default")], ["bilstm"])
    bag, shuffled = controls_of(contender)
    assert cells(bag.specification.model) == []
    assert [layer.kind for layer in bag.specification.model.layers] == ["dropout"]
    assert bag.specification.model.pooling == "max"
    assert not bag.shuffled
    assert shuffled.shuffled
    assert shuffled.specification == contender.specification
    assert (bag.kind, shuffled.kind, contender.kind) == ("control", "control", "model")
    assert bag.control_of == shuffled.control_of == "bilstm"


def test_a_bag_of_one_hot_tokens_has_an_embedding_and_a_mean() -> None:
    recipe = RunSpecification.parse(
        {
            "model": {
                "input": {"kind": "one-hot"},
                "layers": [{"kind": "simple-rnn", "units": 8, "bidirectional": True}],
                "pooling": "last",
            }
        },
        where="test",
    )
    bag = controls_of(build_contenders([recipe], ["base"])[0])[0].specification.model
    assert bag.input.model_dump()["size"] == 16
    assert bag.pooling == "mean"
