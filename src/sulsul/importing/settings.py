"""Reading the settings of Keras's layers, and refusing by name what is not computed here."""

from typing import Any, Literal, NoReturn, cast

from sulsul.errors import BundleError
from sulsul.keras_files.model_file import word_of
from sulsul.keras_files.stack import StackedLayer
from sulsul.model.specification import RecurrentLayer

_CELLS: dict[str, Literal["simple-rnn", "gru", "lstm"]] = {"SimpleRNN": "simple-rnn", "GRU": "gru", "LSTM": "lstm"}
_LARGEST_SIZE = 2**31 - 1


def refuse(layer: StackedLayer, reason: str, where: str) -> NoReturn:
    """Raise the error that names a layer and why it cannot be imported."""
    raise BundleError(f"{where}: {layer} {reason}")


def integer(layer: StackedLayer, key: str, where: str) -> int:
    """Return a size from 1 up."""
    value = layer.settings.get(key)
    if type(value) is not int or not 1 <= value <= _LARGEST_SIZE:
        refuse(layer, f"has {key}={value!r}; expected a whole number from 1.", where)
    return value


def number(layer: StackedLayer, key: str, default: float, where: str) -> float:
    """Return a number from 0 up to and without 1."""
    value = layer.settings.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        refuse(layer, f"has {key}={value!r}; expected a number from 0 up to 1, without 1.", where)
    return float(value)


def activation(layer: StackedLayer, allowed: tuple[str, ...], where: str, key: str = "activation") -> str:
    """Return an activation, which must be one of those allowed; without one it is linear."""
    value = layer.settings.get(key)
    name = "linear" if value is None else word_of(value)
    if name not in allowed:
        advice = ""
        if key == "recurrent_activation":
            advice = " (hard_sigmoid was the default of Keras 1 and early Keras 2: train again with sigmoid)"
        refuse(layer, f"has {key}={name!r}; only {' and '.join(allowed)} can be imported{advice}.", where)
    return name


def recurrent_layer(layer: StackedLayer, bias_ndim: int | None, where: str) -> RecurrentLayer:
    """Return a SimpleRNN, GRU or LSTM as our specification says it.

    Parameters
    ----------
    bias_ndim
        Dimensions of its bias, from which old files tell the two forms of GRU; None without a bias.

    Raises
    ------
    BundleError
        If it is stateful, returns its state, runs backwards alone, merges directions otherwise than by concatenation,
        or has an activation that is not computed here.
    """
    settings: dict[str, Any] = layer.settings
    reasons = {
        "stateful": "keeps its state from batch to batch (stateful=True)",
        "return_state": "returns its state",
        "go_backwards": "runs backwards alone (go_backwards=True); use a Bidirectional",
        "time_major": "reads time first (time_major=True)",
    }
    for key, reason in reasons.items():
        if settings.get(key):
            refuse(layer, f"{reason}; that cannot be imported.", where)
    if layer.wrapper is not None and layer.wrapper.get("merge_mode", "concat") != "concat":
        refuse(layer, f"has merge_mode={layer.wrapper['merge_mode']!r}; only 'concat' can be imported.", where)
    kind = _CELLS[layer.kind]
    name = activation(layer, ("tanh",) if kind == "gru" else ("tanh", "relu"), where)
    if kind != "simple-rnn":
        activation(layer, ("sigmoid",), where, "recurrent_activation")
    reset_after = True
    if kind == "gru":
        reset_after = bool(settings.get("reset_after", bias_ndim == 2))
    return RecurrentLayer(
        kind=kind,
        units=integer(layer, "units", where),
        activation=cast(Literal["tanh", "relu"], name),
        bidirectional=layer.bidirectional,
        reset_after=reset_after,
    )


def has_feature_axis(axis: object, n_dimensions: int) -> bool:
    """Return whether a layer's axis is the last one of arrays with so many dimensions."""
    if isinstance(axis, list) and len(axis) == 1:
        axis = axis[0]
    return axis in (-1, n_dimensions - 1)
