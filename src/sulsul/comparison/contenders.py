"""What enters a comparison: networks named in a small grammar, and each one's controls."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sulsul.errors import UsageError
from sulsul.model.specification import (
    EmbeddingInput,
    Input,
    ModelSpecification,
    RecurrentLayer,
    SequenceLayer,
)
from sulsul.specification import RunSpecification

DEFAULT_MODELS = ("simple-rnn", "gru", "lstm", "bigru", "bilstm")
BASE = "base"
"""The name that stands for a recipe's own network."""
WHOLE = "whole"
"""The name that stands for all that answers in a run of the recipe: its networks, linear part and calibration."""

_NAME = re.compile(r"(?P<bi>bi)?(?P<cell>simple-rnn|rnn|gru|lstm)(?:x(?P<layers>[1-9]))?(?:-(?P<units>[1-9]\d*))?")
_DEFAULT_UNITS = 64


@dataclass(frozen=True)
class Contender:
    """A network to train.

    Attributes
    ----------
    shuffled
        Whether it is trained and judged on texts whose words were put in random order.
    control_of
        Name of the network from which something was taken away; None for a network of its own.
    """

    name: str
    specification: RunSpecification
    shuffled: bool = False
    control_of: str | None = None

    @property
    def kind(self) -> Literal["model", "control"]:
        """How the comparison presents it."""
        return "model" if self.control_of is None else "control"

    @property
    def is_one_network(self) -> bool:
        """Whether one plain network answers, and not a recipe's whole."""
        return self.specification == self.specification.single_network()


def build_contenders(bases: Sequence[RunSpecification], models: Sequence[str]) -> tuple[Contender, ...]:
    """Return every model on every base; data, split and seed of the first base hold for all.

    All but :data:`WHOLE` are one plain network each: with several networks and a linear part in every answer,
    differences between cells would drown.

    Parameters
    ----------
    bases
        Specifications that say everything but the recurrent layers.
    models
        Names as :func:`model_named` reads them.

    Raises
    ------
    UsageError
        If a name cannot be read, or two contenders are called alike.
    """
    first = bases[0]
    if any(base.pretraining.is_used for base in bases):
        raise UsageError(
            "a comparison trains every network from scratch, so that they differ by their cells alone; leave "
            "pretraining.encoder and pretraining.unlabelled out."
        )
    found = []
    for base in bases:
        training = base.training.model_copy(update={"seed": first.training.seed, "threads": first.training.threads})
        alike = base.model_copy(update={"data": first.data, "split": first.split, "training": training})
        for model in models:
            name = model if len(bases) == 1 else base.name if model == BASE else f"{base.name}/{model}"
            name = base.name if name == BASE else name
            if model == WHOLE:
                found.append(Contender(f"{base.name}, whole", alike))
                continue
            network = model_named(model, alike.model)
            found.append(Contender(name, alike.single_network().model_copy(update={"model": network, "name": name})))
    names = [contender.name for contender in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"{', '.join(twice)}: named twice; name each contender once.")
    return tuple(found)


def model_named(name: str, base: ModelSpecification) -> ModelSpecification:
    """Return the base with the recurrent layers that a name stands for.

    ``[bi]CELL[xLAYERS][-UNITS]`` with CELL ``simple-rnn``, ``gru`` or ``lstm``: ``gru``, ``bilstm``, ``bilstmx2``,
    ``gru-128``. Without a number of layers or units, those of the base are kept; everything else always is. ``base`` is
    the base itself; ``whole`` is no network and read before.

    Raises
    ------
    UsageError
        If the name cannot be read, or the base cannot take such a layer.

    Examples
    --------
    >>> [f"{layer.kind} {layer.units}" for layer in model_named("bigrux2-32", ModelSpecification()).layers]
    ['gru 32', 'gru 32']
    """
    if name == BASE:
        return base
    match = _NAME.fullmatch(name)
    if match is None:
        raise UsageError(
            f"--models {name}: write [bi]simple-rnn, gru or lstm, then xLAYERS and -UNITS where wanted, such as "
            f"bilstm, grux2 or lstm-128; {BASE} for the network of the recipe, or {WHOLE} for its whole answer."
        )
    layers = base.layers
    places = [index for index, layer in enumerate(layers) if isinstance(layer, RecurrentLayer)]
    if match["layers"] is not None or not places:
        start = places[0] if places else 0
        template = layers[start] if places else RecurrentLayer(kind="lstm", units=_DEFAULT_UNITS)
        kept = tuple(layer for layer in layers if not isinstance(layer, RecurrentLayer))
        layers = (*kept[:start], *[template] * int(match["layers"] or 1), *kept[start:])
    return ModelSpecification.model_validate(
        {**base.model_dump(), "layers": [_with_cell(layer, match).model_dump() for layer in layers]}
    )


def controls_of(contender: Contender) -> tuple[Contender, Contender]:
    """Return the same network without recurrence, and the same network on shuffled words.

    Without recurrence a text is the pooled bag of its embeddings: the last state becomes their mean, and a one-hot
    input, which only a recurrent layer can read, an embedding of that layer's size.
    """
    specification = contender.specification
    model = specification.model
    layers = tuple(layer for layer in model.layers if not isinstance(layer, RecurrentLayer))
    pooling = "mean" if model.pooling == "last" else model.pooling
    bag = model.model_copy(update={"input": _bag_input(model), "layers": layers, "pooling": pooling})
    names = f"{contender.name} without recurrence", f"{contender.name} on shuffled words"
    return (
        Contender(names[0], specification.model_copy(update={"model": bag}), control_of=contender.name),
        Contender(names[1], specification, shuffled=True, control_of=contender.name),
    )


def _with_cell(layer: SequenceLayer, match: re.Match[str]) -> SequenceLayer:
    if not isinstance(layer, RecurrentLayer):
        return layer
    kind = "simple-rnn" if match["cell"] == "rnn" else match["cell"]
    return RecurrentLayer(
        kind=kind,
        units=int(match["units"] or layer.units),
        activation="tanh" if kind == "gru" else layer.activation,
        bidirectional=match["bi"] is not None,
        reset_after=layer.reset_after if kind == "gru" else True,
    )


def _bag_input(model: ModelSpecification) -> Input:
    first = model.layers[0] if model.layers else None
    if model.input.kind == "one-hot" and isinstance(first, RecurrentLayer):
        return EmbeddingInput(size=first.output_size)
    return model.input
