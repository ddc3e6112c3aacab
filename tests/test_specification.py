import pytest

from sulsul.errors import SpecificationError
from sulsul.model.specification import SummedEmbeddingInput
from sulsul.recipes import load_recipe
from sulsul.specification import Notebook, RunSpecification


def test_toml_round_trip_keeps_every_value() -> None:
    specification = RunSpecification(notebook=Notebook(epochs=3)).with_overrides(
        ["training.patience=never", "training.clip_norm=1.5", "model.layers.0.units=7", 'data.text=["제목","내용"]']
    )
    again = RunSpecification.from_toml(specification.to_toml())
    assert again == specification
    assert again.training.patience is None
    assert again.data.text == ("제목", "내용")


def test_none_is_a_word_where_a_setting_has_it() -> None:
    recipe = load_recipe("default").with_overrides(
        ["wide.kind=none", "calibration.temperature=none", "training.class_weight=none"]
    )
    assert (recipe.wide.kind, recipe.calibration.temperature, recipe.training.class_weight) == ("none",) * 3


def test_short_keys_reach_every_recurrent_layer() -> None:
    layers = [{"kind": "lstm", "units": 4}, {"kind": "dropout", "rate": 0.5}, {"kind": "lstm", "units": 5}]
    specification = RunSpecification.parse({"model": {"layers": layers}}, where="test")
    changed = specification.with_overrides(["model.units=9", "model.cell=gru"])
    assert [layer.model_dump().get("units") for layer in changed.model.layers] == [9, None, 9]
    assert [layer.kind for layer in changed.model.layers] == ["gru", "dropout", "gru"]


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("model.units=-3", ["units", "-3"]),
        ("training.foo=1", ["training.foo", "not a known setting"]),
        ("nothing=1", ["nothing", "not a known setting"]),
        ("training.epochs=many", ["training.epochs", "integer"]),
        ("model.layers.4.units=3", ["4", "0 to 0"]),
        ("training.epochs.deep=3", ["no settings inside"]),
        ("training.epochs", ["section.key=value"]),
    ],
)
def test_refused_overrides_name_the_key(assignment: str, words: list[str]) -> None:
    with pytest.raises(SpecificationError) as caught:
        RunSpecification().with_overrides([assignment])
    for word in words:
        assert word in str(caught.value)


def test_raw_ids_without_padding_is_impossible() -> None:
    with pytest.raises(SpecificationError, match=r"text\.pad_to"):
        RunSpecification.from_toml('[model.input]\nkind = "raw-ids"')


def test_tokens_of_padded_texts_are_not_left_out() -> None:
    with pytest.raises(SpecificationError, match=r"training\.token_dropout leaves tokens out.*leave one of them out"):
        RunSpecification().with_overrides(["training.token_dropout=0.1", "text.max_length=9", "text.pad_to=9"])


def test_malformed_toml_names_the_line() -> None:
    with pytest.raises(SpecificationError, match="line 1"):
        RunSpecification.from_toml("name = = 3")


def test_ngrams_and_a_summed_embedding_go_together() -> None:
    both = ["text.tokenizer=word", "text.ngrams=[1, 3]", "model.input.kind=summed-embedding", "model.input.size=5"]
    specification = RunSpecification().with_overrides(both)
    assert specification.text.ngrams == (1, 3)
    assert specification.model.input == SummedEmbeddingInput(size=5)
    assert RunSpecification.from_toml(specification.to_toml()) == specification
    for alone in (both[:2], both[2:]):
        with pytest.raises(SpecificationError, match=r"text\.ngrams"):
            RunSpecification().with_overrides(alone)


def test_another_tokenizer_leaves_the_ngrams_of_words_behind() -> None:
    specification = load_recipe("default").with_overrides(["text.tokenizer=char", "model.input.size=8"])
    assert specification.text.ngrams is None
    assert (specification.model.input.kind, specification.model.input.size) == ("embedding", 8)
