"""Every recipe loads, round-trips, and describes the network of its notebook."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from sulsul.corpora import read_splits
from sulsul.errors import SpecificationError
from sulsul.model import Classifier, summarise
from sulsul.recipes import load_recipe, recipe_names, unpadded
from sulsul.recipes.registry import OURS
from sulsul.specification import RunSpecification

EXPECTED = {
    "imdb-onehot-rnn",
    "imdb-embedding-rnn",
    "imdb-onehot-rnn-500",
    "imdb-embedding-rnn-500",
    "imdb-onehot-rnn-sgd",
    "imdb-embedding-rnn-adam",
    "imdb-single-step-rnn",
    "imdb-single-step-lstm",
    "imdb-masked-bilstm",
    "seoul-birnn",
    "seoul-bilstm",
    "seoul-bigru",
    "seoul-bilstm-batchnorm",
}


def build(specification: RunSpecification) -> Classifier:
    return Classifier(
        specification.model,
        vocabulary_size=specification.text.vocabulary_size,
        n_classes=3 if specification.model.output == "softmax" else 2,
        pad_to=specification.text.pad_to,
        backend="torch",
    )


def test_every_experiment_and_its_twin_is_there() -> None:
    assert set(recipe_names()) == OURS | EXPECTED | {f"{name}-unpadded" for name in EXPECTED}


@pytest.mark.parametrize("name", recipe_names())
def test_recipe_is_complete(name: str) -> None:
    specification = load_recipe(name)
    assert specification.name == name
    assert specification.description
    assert name in OURS or specification.data.source in {"imdb", "seoul-120"}
    assert RunSpecification.from_toml(specification.to_toml()) == specification
    build(specification)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_twin_differs_in_padding_only(name: str) -> None:
    recipe, twin = load_recipe(name), load_recipe(f"{name}-unpadded")
    assert twin == unpadded(recipe)
    assert twin.text.pad_to is None
    assert (twin.data, twin.split) == (recipe.data, recipe.split)
    if recipe.model.input.kind != "raw-ids":
        assert (twin.model, twin.training) == (recipe.model, recipe.training)
    assert "padded" not in twin.description


@pytest.mark.parametrize(
    ("name", "n_parameters"),
    [
        ("imdb-onehot-rnn", 2_481),
        ("imdb-embedding-rnn", 5_009),
        ("seoul-birnn", 117_763),
        ("seoul-bilstm", 329_795),
        ("seoul-bigru", 190_531),
    ],
)
def test_parameter_count_is_the_notebooks(name: str, n_parameters: int) -> None:
    for variant in (name, f"{name}-unpadded"):
        assert summarise(build(load_recipe(variant))).n_trainable == n_parameters


def test_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(SpecificationError, match=r"no recipe 'imdb'.*seoul-bigru"):
        load_recipe("imdb")


@pytest.mark.shared_data
def test_seoul_split_is_the_notebooks(shared_data: Path) -> None:
    specification = load_recipe("seoul-birnn")
    data = specification.data.model_copy(update={"source": str(shared_data / "seoul-120-text.csv")})
    corpus, splits = read_splits(data, specification.split)
    assert corpus.labels is not None
    labels = corpus.labels.to_numpy()
    rest, test = train_test_split(np.arange(len(labels)), test_size=0.2, stratify=labels, random_state=42)
    train, validation = train_test_split(rest, test_size=0.2, stratify=labels[rest], random_state=42)
    assert (len(train), len(validation), len(test)) == (1_368, 342, 428)
    for ours, theirs in ((splits.train, train), (splits.validation, validation), (splits.test, test)):
        assert sorted(ours) == sorted(theirs)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "sizes"), [("imdb-onehot-rnn", (20_000, 5_000, 0)), ("imdb-single-step-rnn", (100, 0, 100))]
)
def test_imdb_split_has_the_notebooks_sizes(shared_data: Path, name: str, sizes: tuple[int, int, int]) -> None:
    specification = load_recipe(name)
    data = specification.data.model_copy(update={"source": str(shared_data / "imdb-train.parquet")})
    _, splits = read_splits(data, specification.split)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == sizes
