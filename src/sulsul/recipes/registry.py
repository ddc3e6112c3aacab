"""Recipes by name: one TOML file each, and a twin of each notebook's experiment on the true lengths."""

from pathlib import Path

from sulsul.errors import SpecificationError
from sulsul.model.specification import OneHotInput
from sulsul.specification import RunSpecification

UNPADDED_SUFFIX = "-unpadded"
OURS = frozenset({"default", "demo"})
"""Recipes that are not experiments of the notebooks."""

_FOLDER = Path(__file__).parent


def recipe_names() -> tuple[str, ...]:
    """Return the names of all recipes; a notebook's experiment is followed by its twin on the true lengths.

    Examples
    --------
    >>> recipe_names()[:4]
    ('default', 'demo', 'imdb-embedding-rnn', 'imdb-embedding-rnn-unpadded')
    """
    stems = sorted(path.stem for path in _FOLDER.glob("*.toml"))
    return tuple(name for stem in stems for name in ((stem,) if stem in OURS else (stem, stem + UNPADDED_SUFFIX)))


def load_recipe(name: str) -> RunSpecification:
    """Return a recipe by name.

    Raises
    ------
    SpecificationError
        If there is no recipe of that name; the message lists those that exist.

    Examples
    --------
    >>> load_recipe("seoul-bigru").text.pad_to
    500
    >>> load_recipe("seoul-bigru-unpadded").text.pad_to is None
    True
    """
    if name not in recipe_names():
        raise SpecificationError(f"there is no recipe {name!r}; there are {', '.join(recipe_names())}.")
    if name.endswith(UNPADDED_SUFFIX):
        return unpadded(load_recipe(name.removesuffix(UNPADDED_SUFFIX)))
    return RunSpecification.from_file(_FOLDER / f"{name}.toml")


def unpadded(specification: RunSpecification) -> RunSpecification:
    """Return the same run without PAD tokens: every text has its true length.

    A ``raw-ids`` input, whose features are the padded ids, has no such form: there the ids become one-hot timesteps,
    the nearest input that adds no parameters of its own. A relu recurrence over hundreds of timesteps diverges at the
    notebook's learning rate, so gradients are clipped to norm 1 and the rate is a tenth.
    """
    values = specification.model_dump(mode="json")
    values["name"] += UNPADDED_SUFFIX
    values["text"]["pad_to"] = None
    values["notebook"] = None
    if specification.text.pad_to is None:
        values["description"] += " (no PAD tokens in the original either)"
    else:
        values["description"] = values["description"].split("; padded")[0] + "; true lengths"
    if specification.model.input.kind == "raw-ids":
        values["description"] = values["description"].replace(
            "the padded ids as the features of one timestep", "one-hot ids, one timestep each"
        )
        values["model"]["input"] = OneHotInput().model_dump(mode="json")
        values["training"]["clip_norm"] = 1.0
        values["training"]["learning_rate"] /= 10
    return RunSpecification.parse(values, where=values["name"])
