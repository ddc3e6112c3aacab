"""The layers of a Keras model as one chain, or a clear word on why they are none."""

import re
from dataclasses import dataclass
from typing import Any

from sulsul.errors import BundleError
from sulsul.keras_files.description import Description
from sulsul.keras_files.model_file import RECURRENT

_MODELS = frozenset({"Sequential", "Functional", "Model"})
_TRUSTED_MODULES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras", "sulsul.keras")
_MOST_LAYERS = 1000


@dataclass(frozen=True)
class StackedLayer:
    """One layer of the chain.

    Attributes
    ----------
    name
        The layer's own name in the model.
    kind
        Keras's class; for ``Bidirectional`` that of the layer inside.
    settings
        Its configuration; for ``Bidirectional`` that of the layer inside.
    wrapper
        Configuration of the ``Bidirectional`` around it, if any.
    group
        Its name among the weights of a ``.keras`` archive: the class in snake case, numbered.
    """

    name: str
    kind: str
    settings: dict[str, Any]
    wrapper: dict[str, Any] | None
    group: str

    @property
    def bidirectional(self) -> bool:
        """Whether it runs both ways."""
        return self.wrapper is not None

    def __str__(self) -> str:
        kind = f"Bidirectional({self.kind})" if self.bidirectional else self.kind
        return f"layer {self.name!r} ({kind})"


def read_stack(description: Description, where: str) -> tuple[StackedLayer, ...]:
    """Return the layers from input to output.

    Parameters
    ----------
    description
        Of a ``Sequential`` model, or of a functional one in which every layer reads the one before.
    where
        The file, for messages.

    Raises
    ------
    BundleError
        If the description is malformed, a layer is of a class that is not Keras's own, or the model branches.
    """
    try:
        return _read_stack(description.config, where)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise BundleError(f"{where}: the description of the model is malformed ({error!r}).") from None


def _read_stack(model: dict[str, Any], where: str) -> tuple[StackedLayer, ...]:
    if model["class_name"] not in _MODELS:
        raise BundleError(
            f"{where} holds a model of class {model['class_name']!r}: only Sequential and linear functional models can "
            "be imported, since a class of one's own is a program."
        )
    _require_keras_class(model, f"{where}: the model")
    config = model["config"]
    entries = config["layers"] if isinstance(config, dict) else config  # Keras 1: a bare list
    if not isinstance(entries, list) or not 0 < len(entries) <= _MOST_LAYERS:
        raise BundleError(f"{where}: the model has no layers, or more than {_MOST_LAYERS}.")
    groups = _groups([str(entry["class_name"]) for entry in entries])
    if model["class_name"] != "Sequential":
        entries, groups = _in_order(config, entries, groups, where)
    return tuple(_stacked(entry, group, where) for entry, group in zip(entries, groups, strict=True))


def _stacked(entry: dict[str, Any], group: str, where: str) -> StackedLayer:
    kind, settings = str(entry["class_name"]), dict(entry["config"])
    name = str(settings.get("name") or entry.get("name"))
    _require_keras_class(entry, f"{where}: layer {name!r}")
    if kind == "Lambda":
        raise BundleError(
            f"{where}: layer {name!r} is a Lambda, which holds a program; it is never run. Replace it by a layer."
        )
    if kind != "Bidirectional":
        return StackedLayer(name, kind, settings, None, group)
    inner = settings["layer"]
    _require_keras_class(inner, f"{where}: layer {name!r}")
    backward = settings.get("backward_layer")
    if backward is not None:
        _require_keras_class(backward, f"{where}: layer {name!r}")
        _require_mirrored(inner, backward, f"{where}: layer {name!r}")
    if inner["class_name"] not in RECURRENT:
        raise BundleError(
            f"{where}: layer {name!r} is a Bidirectional around {inner['class_name']!r}; expected "
            f"one of {', '.join(sorted(RECURRENT))}."
        )
    return StackedLayer(name, str(inner["class_name"]), dict(inner["config"]), settings, group)


def _require_mirrored(forward: dict[str, Any], backward: dict[str, Any], where: str) -> None:
    telling = ("units", "activation", "recurrent_activation", "use_bias", "reset_after", "return_sequences")
    same = forward["class_name"] == backward["class_name"] and all(
        forward["config"].get(key) == backward["config"].get(key) for key in telling
    )
    if not same or forward["config"].get("go_backwards") or not backward["config"].get("go_backwards"):
        raise BundleError(f"{where} has a backward layer that is not its forward layer run backwards.")


def _require_keras_class(entry: dict[str, Any], what: str) -> None:
    module, registered = entry.get("module"), entry.get("registered_name")
    kind = entry["class_name"]
    foreign = module is not None and not any(
        module == trusted or str(module).startswith(f"{trusted}.") for trusted in _TRUSTED_MODULES
    )
    package = str(registered).rpartition(">")[0] if registered is not None else ""
    if foreign or package not in ("", "keras", "Keras", "sulsul") or ">" in str(kind):
        raise BundleError(
            f"{what} is of the class {registered or kind!r} of {module or 'unknown origin'}, not one of Keras's own; "
            "a class of one's own is a program, and is never run."
        )


def _in_order(
    config: dict[str, Any], entries: list[dict[str, Any]], groups: list[str], where: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the layers of a functional model in the order in which they read each other."""
    by_name = {str(entry["name"]): (entry, group) for entry, group in zip(entries, groups, strict=True)}
    name, first = _only_end(config, "output_layers", where), _only_end(config, "input_layers", where)
    chain = [by_name[name]]
    while name != first:
        sources = _sources(chain[-1][0], where)
        if len(sources) != 1 or len(chain) > len(entries):
            raise BundleError(f"{where}: layer {name!r} reads {_listed(sources)}; only a chain can be imported.")
        (name,) = sources
        chain.append(by_name[name])
    chain.reverse()
    used = {str(entry["name"]) for entry, _ in chain}
    for entry in entries:
        if str(entry["name"]) not in used and not _is_padding_mask(entry, first):
            raise BundleError(
                f"{where}: layer {entry['name']!r} ({entry['class_name']}) is beside the chain from input to output; "
                "only a chain can be imported."
            )
    return [entry for entry, _ in chain], [group for _, group in chain]


def _is_padding_mask(entry: dict[str, Any], first: str) -> bool:
    """Return whether an entry is the mask that Keras 3 writes out for ``mask_zero``: input != 0."""
    if entry["class_name"] != "NotEqual" or len(entry["inbound_nodes"]) != 1:
        return False
    tensor, value = entry["inbound_nodes"][0]["args"]
    return bool(tensor["config"]["keras_history"][0] == first and value == 0)


def _only_end(config: dict[str, Any], key: str, where: str) -> str:
    ends = config[key]
    if isinstance(ends, list) and len(ends) == 3 and isinstance(ends[0], str):
        return str(ends[0])
    if isinstance(ends, list) and len(ends) == 1:
        return str(ends[0][0])
    raise BundleError(f"{where}: the model has {len(ends)} {key.replace('_', ' ')}; expected one.")


def _sources(entry: dict[str, Any], where: str) -> set[str]:
    """Return the layers that a layer reads, a mask given by hand left out."""
    nodes = entry["inbound_nodes"]
    if len(nodes) != 1:
        raise BundleError(f"{where}: layer {entry['name']!r} is used {len(nodes)} times; only a chain can be imported.")
    node = nodes[0]
    if isinstance(node, dict):  # Keras 3
        given = {key: value for key, value in node.get("kwargs", {}).items() if key != "mask"}
        return set(_histories([node["args"], given]))
    if any(len(source) > 3 and _tensor_names(source[3]) for source in node):
        raise BundleError(
            f"{where}: layer {entry['name']!r} is called with further tensors; only a chain can be imported."
        )
    return {str(source[0]) for source in node}


def _tensor_names(arguments: dict[str, Any]) -> list[str]:
    """Return the arguments of Keras 2, masks left out, that refer to another layer's output."""
    return [key for key, value in arguments.items() if key != "mask" and isinstance(value, list) and value]


def _histories(value: Any) -> list[str]:
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return [str(value["config"]["keras_history"][0])]
        return [name for item in value.values() for name in _histories(item)]
    if isinstance(value, list):
        return [name for item in value for name in _histories(item)]
    return []


def _listed(sources: set[str]) -> str:
    return f"{len(sources)} layers ({', '.join(sorted(sources))})" if sources else "no other layer"


def _groups(kinds: list[str]) -> list[str]:
    """Return the names that Keras 3 gives the layers of a model among its weights."""
    counts: dict[str, int] = {}
    groups = []
    for kind in kinds:
        stem = snake_case(kind)
        number = counts.get(stem, 0)
        groups.append(f"{stem}_{number}" if number else stem)
        counts[stem] = number + 1
    return groups


def snake_case(name: str) -> str:
    """Return a class's name as ``keras.src.utils.naming.to_snake_case`` writes it.

    Examples
    --------
    >>> snake_case("SimpleRNN"), snake_case("BatchNormalization"), snake_case("GlobalMaxPooling1D")
    ('simple_rnn', 'batch_normalization', 'global_max_pooling1d')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
