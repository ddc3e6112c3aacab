"""From the estimator's few parameters to the whole specification of a run."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from sulsul.corpora.settings import SplitSettings
from sulsul.errors import SpecificationError
from sulsul.recipes import load_recipe
from sulsul.specification import RECURRENT_KINDS, RunSpecification

_KEYS = {
    "cell": "model.cell",
    "units": "model.units",
    "bidirectional": "model.bidirectional",
    "tokenizer": "text.tokenizer",
    "vocabulary_size": "text.vocabulary_size",
    "epochs": "training.epochs",
    "learning_rate": "training.learning_rate",
    "batch_size": "training.batch_size",
}


def specification_of(parameters: Mapping[str, Any], *, seed: int | None) -> RunSpecification:
    """Return the specification that an estimator's parameters describe.

    Parameters
    ----------
    parameters
        As ``get_params`` gives them; None leaves what the recipe says.
    seed
        Seed of weights, batches and split; None leaves the recipe's.

    Raises
    ------
    SpecificationError
        If a value is refused.
    """
    recipe = parameters["recipe"]
    base = recipe if isinstance(recipe, RunSpecification) else load_recipe(recipe)
    base = _with_layers(base, parameters["num_layers"])
    given = {key: parameters[name] for name, key in _KEYS.items() if parameters[name] is not None}
    if seed is not None:
        given["training.seed"] = seed
    given |= parameters["settings"] or {}
    specification = base.with_overrides(f"{key}={_literal(key, value)}" for key, value in given.items())
    return specification.model_copy(
        update={
            "split": _split(specification, parameters["validation_fraction"]),
            "training": _with_class_weight(specification, parameters["class_weight"]),
        }
    )


def _literal(key: str, value: Any) -> str:
    """Write a value as ``--set`` reads it; JSON's scalars and flat lists are TOML too."""
    if isinstance(value, np.generic):
        value = value.item()
    try:
        return "none" if value is None else json.dumps(value)
    except TypeError:
        raise SpecificationError(f"{key}: {value!r} is not a number, a string, a truth value or a list.") from None


def _with_layers(specification: RunSpecification, num_layers: int | None) -> RunSpecification:
    """Return the specification with its first recurrent layer repeated, in the place of all recurrent ones."""
    layers = list(specification.model.layers)
    recurrent = [layer for layer in layers if layer.kind in RECURRENT_KINDS]
    if num_layers is None or num_layers == len(recurrent):
        return specification
    if not recurrent or not isinstance(num_layers, int | np.integer) or num_layers < 1:
        why = "must be at least 1" if recurrent else "needs a recipe with a recurrent layer"
        raise SpecificationError(f"num_layers={num_layers!r} {why}.")
    first = layers.index(recurrent[0])
    after = [layer for layer in layers[first:] if layer.kind not in RECURRENT_KINDS]
    stacked = (*layers[:first], *recurrent[:1] * int(num_layers), *after)
    return specification.model_copy(update={"model": specification.model.model_copy(update={"layers": stacked})})


def _split(specification: RunSpecification, validation_fraction: float | None) -> SplitSettings:
    """Return a split without test rows, which are the caller's to keep."""
    share = specification.split.validation if validation_fraction is None else validation_fraction
    if not 0.0 <= share < 1.0:
        raise SpecificationError(f"validation_fraction={share!r} must be at least 0 and below 1.")
    seed = specification.training.seed
    return SplitSettings(validation=float(share), test=0.0, stratify=specification.split.stratify, seed=seed)


def _with_class_weight(specification: RunSpecification, class_weight: Any) -> Any:
    if class_weight is None:
        return specification.training
    if isinstance(class_weight, Mapping):
        class_weight = {str(name): float(weight) for name, weight in class_weight.items()}
    values = specification.training.model_dump(mode="json") | {"class_weight": class_weight}
    whole = specification.model_dump(mode="json") | {"training": values}
    return RunSpecification.parse(whole, where="class_weight").training
