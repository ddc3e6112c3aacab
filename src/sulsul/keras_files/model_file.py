"""What a Keras model file says of its layers, output and training, without Keras and without running anything."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sulsul.errors import BundleError
from sulsul.keras_files.description import read_description

_LARGEST_SIZE = 2**31 - 1
_SHAPES = ("batch_shape", "batch_input_shape", "target_shape")
_SIZES = ("units", "input_dim")
RECURRENT = frozenset({"SimpleRNN", "GRU", "LSTM"})


@dataclass(frozen=True)
class KerasLayer:
    """One layer as the file describes it.

    Attributes
    ----------
    kind
        Keras's class; that of the layer inside for ``Bidirectional`` and ``TimeDistributed``.
    wrapper
        The class around it, if any.
    settings
        Its configuration; that of the layer inside for a wrapped one.
    receives_mask
        Whether the file connects a mask to it by hand.
    """

    kind: str
    wrapper: str | None
    settings: dict[str, Any]
    receives_mask: bool = False

    @property
    def is_recurrent(self) -> bool:
        """Whether it is a SimpleRNN, GRU or LSTM."""
        return self.kind in RECURRENT


@dataclass(frozen=True)
class KerasModel:
    """The layers in order, and what the model was compiled with; None where it was not compiled.

    Attributes
    ----------
    loss
        In snake case, such as ``sparse_categorical_crossentropy``; None if there is none or there are several.
    optimizer
        Keras's class.
    """

    name: str
    layers: tuple[KerasLayer, ...]
    loss: str | None = None
    from_logits: bool = False
    optimizer: str | None = None
    learning_rate: float | None = None
    clips_gradients: bool = False

    @property
    def input_shape(self) -> tuple[int | None, ...] | None:
        """Shape of the input with the batch first, None where it varies; None if the file does not say."""
        for layer in self.layers:
            shape = layer.settings.get("batch_shape") or layer.settings.get("batch_input_shape")
            if shape:
                return tuple(shape)
        return None

    @property
    def recurrent(self) -> tuple[tuple[int, KerasLayer], ...]:
        """Position and layer of every recurrent layer."""
        return tuple((index, layer) for index, layer in enumerate(self.layers) if layer.is_recurrent)

    @property
    def embedding(self) -> KerasLayer | None:
        """The first embedding."""
        return next((layer for layer in self.layers if layer.kind == "Embedding"), None)

    @property
    def output(self) -> tuple[int, str] | None:
        """Units and activation of the last dense layer, or of the activation after it."""
        activation: str | None = None
        for layer in reversed(self.layers):
            if layer.kind in ("Activation", "Softmax") and activation is None:
                activation = "softmax" if layer.kind == "Softmax" else word_of(layer.settings.get("activation"))
            elif layer.kind == "Dense":
                return layer.settings["units"], activation or word_of(layer.settings.get("activation")) or "linear"
        return None


def is_keras_file(path: Path) -> bool:
    """Whether a file is a Keras model by its name."""
    return path.suffix.lower() in (".keras", ".h5", ".hdf5")


def read_keras_model(path: Path) -> KerasModel:
    """Read a ``.keras`` or ``.h5`` file's description of the model.

    Raises
    ------
    BundleError
        If the file is missing, is neither, holds no description, or is HDF5 and h5py is not installed.
    """
    description = read_description(path)
    config, compiled = description.config, description.compiled
    try:
        layers = tuple(_layers(config))
        name = str(config["config"]["name"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BundleError(f"{path}: the description of the model is malformed ({error!r}).") from None
    if not layers:
        raise BundleError(f"{path}: the model has no layers.")
    return KerasModel(name, layers, **_compiled(compiled or {}))


def _layers(config: dict[str, Any]) -> Iterator[KerasLayer]:
    """Yield the layers of a model, those of models inside it included, in the order of the file."""
    for layer in map(_object, _list(_object(config["config"])["layers"])):
        settings = _object(layer["config"])
        if "layers" in settings:
            yield from _layers(layer)
            continue
        inner = settings.get("layer")
        masked = "mask" in json.dumps([node.get("kwargs", {}) for node in _nodes(layer)])
        if isinstance(inner, dict):
            wrapper, layer, settings = str(layer["class_name"]), inner, _object(inner["config"])
        else:
            wrapper = None
        yield KerasLayer(str(layer["class_name"]), wrapper, _checked(str(layer["class_name"]), settings), masked)


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{str(value)[:40]!r} where an object is expected")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{str(value)[:40]!r} where a list is expected")
    return value


def _checked(kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return a layer's settings after checking the sizes and shapes that the doctor reads."""
    for name in _SHAPES:
        if settings.get(name) is not None and not all(size is None or _is_size(size) for size in _list(settings[name])):
            raise ValueError(f"{kind}: {name} holds something that is no size")
    for name in _SIZES:
        if settings.get(name) is not None and not _is_size(settings[name]):
            raise ValueError(f"{kind}: {name} is {str(settings[name])[:40]!r}")
    if kind == "Dense" and settings.get("units") is None:
        raise ValueError("Dense without units")
    return dict(settings)


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST_SIZE


def _nodes(layer: dict[str, Any]) -> list[dict[str, Any]]:
    nodes = layer.get("inbound_nodes")
    if not isinstance(nodes, list):
        return []
    return [node for node in nodes if isinstance(node, dict) and _mask_is_given(node)]


def _mask_is_given(node: dict[str, Any]) -> bool:
    return isinstance(node.get("kwargs"), dict) and node["kwargs"].get("mask") is not None


def _compiled(config: dict[str, Any]) -> dict[str, Any]:
    loss, optimizer = config.get("loss"), config.get("optimizer") or config.get("optimizer_config")
    settings = loss.get("config", {}) if isinstance(loss, dict) else {}
    known = optimizer.get("config") if isinstance(optimizer, dict) else None
    known = known if isinstance(known, dict) else {}
    rate = known.get("learning_rate")
    return {
        "loss": _snake(loss.get("class_name")) if isinstance(loss, dict) else _snake(loss),
        "from_logits": bool(isinstance(settings, dict) and settings.get("from_logits")),
        "optimizer": _name(optimizer.get("class_name") if isinstance(optimizer, dict) else optimizer),
        "learning_rate": float(rate) if isinstance(rate, int | float) and abs(rate) <= _LARGEST_SIZE else None,
        "clips_gradients": any(known.get(key) for key in ("clipnorm", "global_clipnorm", "clipvalue")),
    }


def _name(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _snake(name: object) -> str | None:
    if not isinstance(name, str):
        return None
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def word_of(value: object) -> str | None:
    """Return an activation's name, whether it is written as a word or as an object."""
    if isinstance(value, dict):
        value = value.get("config") if isinstance(value.get("config"), str) else value.get("class_name")
    return value.lower() if isinstance(value, str) else None
