"""The layers and weights of a Keras file as our specification and the parameters that belong to it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from sulsul.errors import BundleError
from sulsul.importing.settings import activation, has_feature_axis, integer, number, recurrent_layer, refuse
from sulsul.keras_files.model_file import KerasModel, word_of
from sulsul.keras_files.stack import StackedLayer
from sulsul.keras_files.weights import WeightsReader, expect_shapes
from sulsul.model.specification import (
    BatchNormLayer,
    DenseLayer,
    DropoutLayer,
    EmbeddingInput,
    HeadLayer,
    ModelSpecification,
    OneHotInput,
    OutputKind,
    SequenceLayer,
)
from sulsul.specification import describe_validation_error

Array = npt.NDArray[np.float32]
_ADVICE = {
    "TextVectorization": "Save its vocabulary as a text file, rebuild the model without it, and give --vocabulary.",
    "StringLookup": "Save its vocabulary as a text file, rebuild the model without it, and give --vocabulary.",
    "CuDNNLSTM": "Load the weights into an LSTM and save that.",
    "CuDNNGRU": "Load the weights into a GRU with reset_after=True and save that.",
    "Flatten": "Pool the timesteps, or leave out return_sequences.",
    "Reshape": "`sulsul doctor` says what feeding one timestep means.",
}


@dataclass(frozen=True)
class ImportedNetwork:
    """A network read from a Keras file.

    Attributes
    ----------
    parameters
        By the names that :class:`sulsul.model.classifier.Classifier` gives them.
    vocabulary_size
        Number of token ids V.
    n_logits
        Units of the last layer.
    masked
        Whether id 0 is padding that the network never sees (``mask_zero``).
    timesteps
        Number of timesteps that the input is declared to have; None where it varies.
    notes
        What is not the same as in Keras, or had to be guessed.
    """

    specification: ModelSpecification
    parameters: dict[str, Array]
    vocabulary_size: int
    n_logits: int
    masked: bool
    timesteps: int | None
    notes: tuple[str, ...]

    @property
    def output(self) -> OutputKind:
        """What the logits mean."""
        return cast(OutputKind, self.specification.output)

    @property
    def is_one_hot(self) -> bool:
        """Whether Keras reads one-hot rows instead of ids."""
        return self.specification.input.kind == "one-hot"

    def with_vocabulary_size(self, size: int) -> "ImportedNetwork":
        """Return the network with the rows of ids from ``size`` on left out."""
        name = "layers.0.forward_direction.kernel" if self.is_one_hot else "input.weight"
        names = [name, name.replace("forward", "backward")] if self.is_one_hot else [name]
        cut = {key: self.parameters[key][:size] for key in names if key in self.parameters}
        return replace(self, parameters={**self.parameters, **cut}, vocabulary_size=size)


def read_network(
    stack: tuple[StackedLayer, ...], model: KerasModel, weights: WeightsReader, where: str
) -> ImportedNetwork:
    """Translate the layers of a Keras model one by one.

    Parameters
    ----------
    stack
        The layers from input to output.
    model
        What the file says of input shape and loss.
    weights
        The open weights.
    where
        The file, for messages.

    Raises
    ------
    BundleError
        Naming the layer that cannot be expressed, or whose weights do not fit its settings.
    """
    translation = _Translation(weights, where)
    layers = _with_activations(stack, where)
    dense = [position for position, layer in enumerate(layers) if layer.kind == "Dense"]
    if not dense or any(layer.kind != "Dropout" for layer in layers[dense[-1] + 1 :]):
        refuse(layers[-1], "ends the model; a classifier ends with a Dense layer.", where)
    translation.timesteps, translation.features = _input_sizes(model, where)
    for layer in layers[: dense[-1]]:
        translation.add(layer)
    return translation.finish(layers[dense[-1]], model)


def _input_sizes(model: KerasModel, where: str) -> tuple[int | None, int | None]:
    """Return the numbers of timesteps and features that the input is declared to have, where it is."""
    try:
        shape = model.input_shape or ()
    except TypeError:
        shape = (0,)
    if not all(size is None or (type(size) is int and 0 < size < 2**31) for size in shape) or len(shape) > 3:
        raise BundleError(f"{where}: the input has no shape of token ids or one-hot rows.")
    sizes = (*shape[1:], None, None)
    return sizes[0], sizes[1]


def _with_activations(stack: tuple[StackedLayer, ...], where: str) -> list[StackedLayer]:
    """Put every activation that is a layer of its own into the dense layer in front of it."""
    layers: list[StackedLayer] = []
    for layer in stack:
        if layer.kind not in ("Activation", "Softmax", "ReLU"):
            layers.append(layer)
            continue
        name = word_of(layer.settings.get("activation")) if layer.kind == "Activation" else layer.kind.lower()
        if not layers or layers[-1].kind != "Dense" or layers[-1].settings.get("activation") not in (None, "linear"):
            refuse(layer, "does not follow a linear Dense layer; only there can it be imported.", where)
        layers[-1] = replace(layers[-1], settings={**layers[-1].settings, "activation": name})
    return layers


@dataclass
class _Translation:
    """The network as far as it has been read."""

    weights: WeightsReader
    where: str
    timesteps: int | None = None
    features: int | None = None
    input: EmbeddingInput | OneHotInput | None = None
    vocabulary_size: int = 0
    masked: bool = False
    size: int = 0
    layers: list[SequenceLayer] = field(default_factory=list)
    pooling: Literal["last", "mean", "max"] | None = None
    head: list[HeadLayer] = field(default_factory=list)
    parameters: dict[str, Array] = field(default_factory=dict)
    pending: tuple[Array, Array] | None = None  # scale and shift that the next dense layer takes in
    notes: list[str] = field(default_factory=list)

    def add(self, layer: StackedLayer) -> None:
        """Translate one layer."""
        readers: dict[str, Callable[[StackedLayer], None]] = {
            "InputLayer": self._input_layer,
            "Masking": self._masking,
            "Embedding": self._embedding,
            "SimpleRNN": self._recurrent,
            "GRU": self._recurrent,
            "LSTM": self._recurrent,
            "Dropout": self._dropout,
            "SpatialDropout1D": self._dropout,
            "BatchNormalization": self._batch_normalization,
            "GlobalMaxPooling1D": self._global_pooling,
            "GlobalAveragePooling1D": self._global_pooling,
            "Dense": self._dense,
        }
        if layer.kind not in readers:
            refuse(
                layer,
                f"cannot be imported. {_ADVICE.get(layer.kind, 'See docs/keras.md for the layers that can.')}",
                self.where,
            )
        if self.input is None and layer.kind not in ("InputLayer", "Masking", "Embedding", "SimpleRNN", "GRU", "LSTM"):
            refuse(layer, "reads the input; expected an Embedding, or a recurrent layer over one-hot rows.", self.where)
        readers[layer.kind](layer)

    def finish(self, last: StackedLayer, model: KerasModel) -> ImportedNetwork:
        """Translate the output layer and return the whole."""
        if self.input is None:
            refuse(last, "is all the model has; expected token ids and a recurrent layer.", self.where)
        units = integer(last, "units", self.where)
        self._require_vector(last)
        self._dense_parameters(last, units, "output")
        output = self._output_kind(last, units, model)
        assert self.pooling is not None
        if self.masked and self.pooling == "max":
            self.notes.append(
                "GlobalMaxPooling1D of Keras ignores the mask, so that padding takes part in its maximum; here it "
                "never does. For texts padded in Keras the answers differ"
            )
        try:
            specification = ModelSpecification(
                input=self.input,
                layers=tuple(self.layers),
                pooling=self.pooling,
                head=tuple(self.head),
                output=output,
            )
        except ValidationError as error:
            raise BundleError(f"{self.where}: {describe_validation_error(error)}") from None
        return ImportedNetwork(
            specification, self.parameters, self.vocabulary_size, units, self.masked, self.timesteps, tuple(self.notes)
        )

    def _arrays(self, layer: StackedLayer, *shapes: tuple[int, ...]) -> list[Array]:
        arrays = self.weights.arrays(layer)
        expect_shapes(arrays, shapes, layer, self.where)
        return arrays

    def _require_vector(self, layer: StackedLayer) -> None:
        if self.pooling is None:
            refuse(
                layer,
                "is applied to every timestep: the layer before it has return_sequences=True and nothing pools. "
                "Such a model answers once per timestep, not once per text.",
                self.where,
            )

    def _require_sequence(self, layer: StackedLayer) -> None:
        if self.pooling is not None:
            refuse(layer, "needs a sequence, but the layers before it give one vector per text.", self.where)

    def _input_layer(self, layer: StackedLayer) -> None:
        if self.input is not None:
            refuse(layer, "is in the middle of the model.", self.where)

    def _masking(self, layer: StackedLayer) -> None:
        if self.input is not None or layer.settings.get("mask_value", 0.0) != 0:
            refuse(layer, "can be imported only in front of the model and with mask_value=0.", self.where)

    def _embedding(self, layer: StackedLayer) -> None:
        if self.input is not None:
            refuse(layer, "is in the middle of the model.", self.where)
        self.vocabulary_size = integer(layer, "input_dim", self.where)
        self.size = integer(layer, "output_dim", self.where)
        self.masked = bool(layer.settings.get("mask_zero"))
        length = layer.settings.get("input_length")
        self.timesteps = self.timesteps or (length if type(length) is int else None)
        (self.parameters["input.weight"],) = self._arrays(layer, (self.vocabulary_size, self.size))
        self.input = EmbeddingInput(size=self.size, trainable=bool(layer.settings.get("trainable", True)))

    def _one_hot(self, layer: StackedLayer) -> None:
        if self.timesteps == 1:
            refuse(
                layer,
                f"reads each text as one timestep of {self.features} numbers: nothing recurs; see `sulsul doctor`.",
                self.where,
            )
        if self.features is None:
            refuse(layer, "reads an input whose number of features the file does not say.", self.where)
        self.input, self.vocabulary_size, self.size = OneHotInput(), self.features, self.features
        self.notes.append(
            f"the input is read as one-hot rows of {self.features:,} token ids; other features cannot be imported"
        )

    def _recurrent(self, layer: StackedLayer) -> None:
        self._require_sequence(layer)
        if self.input is None:
            self._one_hot(layer)
        arrays = self.weights.arrays(layer)
        n_each = len(arrays) // (2 if layer.bidirectional else 1)
        translated = recurrent_layer(layer, arrays[2].ndim if n_each == 3 else None, self.where)
        gates = translated.n_gates * translated.units
        two_rows = translated.kind == "gru" and translated.reset_after
        bias_shape = (2, gates) if two_rows else (gates,)
        shapes = [(self.size, gates), (translated.units, gates), bias_shape][
            : 3 if layer.settings.get("use_bias", True) else 2
        ]
        expect_shapes(arrays, shapes * translated.n_directions, layer, self.where)
        for number_, direction in enumerate(("forward_direction", "backward_direction")[: translated.n_directions]):
            own = [*arrays[number_ * n_each : (number_ + 1) * n_each], np.zeros(bias_shape, np.float32)][:3]
            for name, array in zip(("kernel", "recurrent_kernel", "bias"), own, strict=True):
                self.parameters[f"layers.{len(self.layers)}.{direction}.{name}"] = array
        if any(layer.settings.get(key) for key in ("dropout", "recurrent_dropout")):
            self.notes.append(f"{layer}: dropout inside the recurrence acts in training only and is left out")
        self.layers.append(translated)
        self.size = translated.output_size
        if not layer.settings.get("return_sequences"):
            self.pooling = "last"

    def _dropout(self, layer: StackedLayer) -> None:
        dropout = DropoutLayer(rate=number(layer, "rate", 0.5, self.where))
        if layer.kind == "SpatialDropout1D":
            self.notes.append(f"{layer} becomes ordinary dropout: equal outside training")
        if self.pooling is None:
            self.layers.append(dropout)
        else:
            self.head.append(dropout)

    def _batch_normalization(self, layer: StackedLayer) -> None:
        sequence = self.pooling is None
        if not has_feature_axis(layer.settings.get("axis", -1), 3 if sequence else 2):
            refuse(layer, f"normalises axis {layer.settings.get('axis')}; only the features can be.", self.where)
        epsilon = number(layer, "epsilon", 1e-3, self.where)
        names = [
            name
            for name, key in (("gamma", "scale"), ("beta", "center"), ("moving_mean", ""), ("moving_variance", ""))
            if not key or layer.settings.get(key, True)
        ]
        found = dict(zip(names, self._arrays(layer, *[(self.size,)] * len(names)), strict=True))
        gamma = found.get("gamma", np.ones(self.size, np.float32))
        beta = found.get("beta", np.zeros(self.size, np.float32))
        if sequence:
            values = {**found, "gamma": gamma, "beta": beta}
            self.parameters |= {f"layers.{len(self.layers)}.{name}": array for name, array in values.items()}
            momentum = number(layer, "momentum", 0.99, self.where)
            if not momentum > 0 or not epsilon > 0:
                refuse(layer, f"has momentum={momentum} and epsilon={epsilon}; both must be above 0.", self.where)
            self.layers.append(BatchNormLayer(momentum=momentum, epsilon=epsilon))
            return
        scale = gamma / np.sqrt(found["moving_variance"] + epsilon)
        shift = beta - found["moving_mean"] * scale
        if self.pending is not None:
            scale, shift = scale * self.pending[0], shift + scale * self.pending[1]
        self.pending = (scale.astype(np.float32), shift.astype(np.float32))
        self.notes.append(f"{layer} stands behind the pooling and is folded into the next Dense layer")

    def _global_pooling(self, layer: StackedLayer) -> None:
        self._require_sequence(layer)
        if layer.settings.get("keepdims") or layer.settings.get("data_format", "channels_last") != "channels_last":
            refuse(layer, "has keepdims or data_format='channels_first', which cannot be imported.", self.where)
        self.pooling = "max" if layer.kind == "GlobalMaxPooling1D" else "mean"

    def _dense(self, layer: StackedLayer) -> None:
        self._require_vector(layer)
        units = integer(layer, "units", self.where)
        name: Any = activation(layer, ("linear", "relu", "tanh"), self.where)
        self._dense_parameters(layer, units, f"head.{len(self.head)}")
        self.head.append(DenseLayer(units=units, activation=name))
        self.size = units

    def _dense_parameters(self, layer: StackedLayer, units: int, place: str) -> None:
        with_bias = layer.settings.get("use_bias", True)
        found = self._arrays(layer, *[(self.size, units), (units,)][: 2 if with_bias else 1])
        kernel = found[0].astype(np.float64)
        bias = found[1].astype(np.float64) if with_bias else np.zeros(units)
        if self.pending is not None:
            scale, shift = self.pending
            kernel, bias = scale[:, None] * kernel, bias + shift @ kernel
            self.pending = None
        self.parameters[f"{place}.kernel"] = kernel.astype(np.float32)
        self.parameters[f"{place}.bias"] = bias.astype(np.float32)

    def _output_kind(self, layer: StackedLayer, units: int, model: KerasModel) -> OutputKind:
        name = activation(layer, ("sigmoid", "softmax", "linear"), self.where)
        if name == "softmax" and units == 1:
            refuse(layer, "is a softmax over one unit, which is always 1.", self.where)
        if name == "softmax":
            return "softmax"
        if units == 1:
            return "sigmoid"
        if name == "sigmoid" or model.loss == "binary_crossentropy":
            return "multi-label"
        if model.loss is None:
            self.notes.append(f"{layer} gives logits and the model was not compiled: one class per text is assumed")
        return "softmax"
