"""A classifier's layers as Keras's own."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sulsul.errors import UsageError
from sulsul.keras_files.writing import ModelArchive
from sulsul.model.classifier import Classifier
from sulsul.model.dense import Dense
from sulsul.model.normalization import BatchNorm
from sulsul.model.recurrent import Recurrent
from sulsul.model.specification import EmbeddingInput, OneHotInput, SummedEmbeddingInput

_KINDS = {"simple-rnn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}
_FAR_BELOW = -1e9  # added to a masked timestep, so that it is never the maximum
_NO_ADVICE = "Export it with --onnx instead, which can."


def keras_archive(classifier: Classifier, name: str, *, masked: bool, temperature: float = 1.0) -> ModelArchive:
    """Return the classifier as layers of Keras; the last one gives probabilities.

    Parameters
    ----------
    masked
        Whether id 0 (a row of zeros, for a one-hot input) is padding that the network never sees.
    temperature
        By which the logits are divided.

    Raises
    ------
    UsageError
        If Keras's own layers cannot express it.
    """
    return _Writer(classifier, ModelArchive(name), masked, temperature).write()


class _Writer:
    def __init__(self, classifier: Classifier, archive: ModelArchive, masked: bool, temperature: float) -> None:
        self._classifier = classifier
        self._archive = archive
        self._masked = masked
        self._temperature = temperature
        self._pooling = classifier.specification.pooling
        self._size = 0
        self._time = classifier.pad_to

    def write(self) -> ModelArchive:
        if self._pooling == "attention":
            raise UsageError(f"attention pooling cannot be expressed by Keras's own layers under a mask. {_NO_ADVICE}")
        ids, rows = self._input()
        layers = list(self._classifier.layers)
        last = max((k for k, layer in enumerate(layers) if isinstance(layer, Recurrent)), default=-1)
        if self._pooling == "last" and last < 0:
            raise UsageError(f"pooling 'last' without a recurrent layer cannot be expressed in Keras. {_NO_ADVICE}")
        for position, layer in enumerate(layers):
            # Keras takes the last state inside the last recurrent layer; what follows acts on every feature alone.
            rows = self._sequence_layer(
                layer,
                rows,
                returns_sequences=position < last or self._pooling != "last",
                is_vector=position > last and self._pooling == "last",
            )
        return self._head(self._pooled(rows, ids))

    def _input(self) -> tuple[str, str]:
        """Add the input; return the names of what gives ids and of what gives rows."""
        classifier, archive = self._classifier, self._archive
        settings, size = classifier.specification.input, classifier.vocabulary_size
        if isinstance(settings, EmbeddingInput):
            ids = self._input_layer(self._time)
            (table,) = _arrays(classifier.input.state_dict(), ("weight",))
            self._size = settings.size
            options = {"input_dim": size, "output_dim": settings.size, "mask_zero": self._masked}
            options["trainable"] = settings.trainable
            rows = archive.add("Embedding", options, self._sequence(), [ids], {"vars": [table]})
            return ids, rows
        if isinstance(settings, SummedEmbeddingInput):
            raise UsageError(f"words that are sums of n-grams cannot be expressed in Keras. {_NO_ADVICE}")
        if isinstance(settings, OneHotInput):
            self._size = size
            rows = self._input_layer(self._time, size)
            if self._masked:
                rows = archive.add("Masking", {"mask_value": 0.0}, self._sequence(), [rows])
            return rows, rows
        assert classifier.pad_to is not None  # a raw-ids input cannot be built without
        self._size, self._time = classifier.pad_to, 1
        ids = self._input_layer(classifier.pad_to)
        return ids, archive.add("Reshape", {"target_shape": [1, self._size]}, self._sequence(), [ids])

    def _input_layer(self, *shape: int | None) -> str:
        full = (None, *shape)
        return self._archive.add("InputLayer", {"batch_shape": list(full), "dtype": "float32"}, full)

    def _sequence(self) -> tuple[int | None, ...]:
        return (None, self._time, self._size)

    def _sequence_layer(self, layer: nn.Module, rows: str, *, returns_sequences: bool, is_vector: bool) -> str:
        if isinstance(layer, Recurrent):
            return self._recurrent(layer, rows, returns_sequences=returns_sequences)
        shape = (None, self._size) if is_vector else self._sequence()
        if isinstance(layer, BatchNorm):
            options = {"axis": -1, "momentum": layer.momentum, "epsilon": layer.epsilon}
            arrays = _arrays(layer.state_dict(), ("gamma", "beta", "moving_mean", "moving_variance"))
            return self._archive.add("BatchNormalization", options, shape, [rows], {"vars": arrays})
        if isinstance(layer, nn.Dropout):
            return self._archive.add("Dropout", {"rate": layer.p}, shape, [rows])
        raise UsageError(f"a {type(layer).__name__} layer cannot be expressed in Keras. {_NO_ADVICE}")

    def _recurrent(self, layer: Recurrent, rows: str, *, returns_sequences: bool) -> str:
        settings, kind = layer.layer, _KINDS[layer.layer.kind]
        options: dict[str, Any] = {
            "units": settings.units,
            "activation": settings.activation,
            "return_sequences": returns_sequences,
        }
        if settings.kind == "gru":
            options["reset_after"] = settings.reset_after
        if settings.kind != "simple-rnn":
            options["recurrent_activation"] = "sigmoid"
        directions = [[_array(tensor) for tensor in direction] for direction in layer.directions()]
        self._size = settings.output_size
        shape = self._sequence() if returns_sequences else (None, self._size)
        if not settings.bidirectional:
            return self._archive.add(kind, options, shape, [rows], {"cell/vars": directions[0]})
        both: dict[str, Any] = {"merge_mode": "concat"}
        for key, name, backwards in (("layer", "forward", False), ("backward_layer", "backward", True)):
            config = {**options, "name": f"{name}_{settings.kind}", "go_backwards": backwards}
            both[key] = {"module": "keras.layers", "class_name": kind, "config": config, "registered_name": None}
        weights = {"forward_layer/cell/vars": directions[0], "backward_layer/cell/vars": directions[1]}
        return self._archive.add("Bidirectional", both, shape, [rows], weights)

    def _pooled(self, rows: str, ids: str) -> str:
        shape = (None, self._size)
        if self._pooling == "last":
            return rows
        if self._pooling == "mean":
            return self._archive.add("GlobalAveragePooling1D", {}, shape, [rows])
        if self._masked:
            rows = self._far_below(rows, ids)
        return self._archive.add("GlobalMaxPooling1D", {}, shape, [rows])

    def _far_below(self, rows: str, ids: str) -> str:
        """Bring padding out of reach of the maximum, since GlobalMaxPooling1D ignores masks."""
        if not isinstance(self._classifier.specification.input, EmbeddingInput):
            raise UsageError(f"max pooling over masked one-hot rows cannot be expressed in Keras. {_NO_ADVICE}")
        table = np.zeros((self._classifier.vocabulary_size, 1), np.float32)
        table[0] = _FAR_BELOW
        options = {"input_dim": len(table), "output_dim": 1, "mask_zero": False, "trainable": False}
        offsets = self._archive.add("Embedding", options, (None, self._time, 1), [ids], {"vars": [table]})
        return self._archive.add("Add", {}, self._sequence(), [rows, offsets])

    def _head(self, pooled: str) -> ModelArchive:
        for layer in self._classifier.head:
            if isinstance(layer, Dense):
                pooled = self._dense(layer, layer.layer.activation, pooled)
            elif isinstance(layer, nn.Dropout):
                pooled = self._archive.add("Dropout", {"rate": layer.p}, (None, self._size), [pooled])
            else:
                raise UsageError(f"a {type(layer).__name__} layer cannot be expressed in Keras. {_NO_ADVICE}")
        activation = "softmax" if self._classifier.output_kind == "softmax" else "sigmoid"
        self._dense(self._classifier.output, activation, pooled, divisor=self._temperature)
        return self._archive

    def _dense(self, layer: Dense, activation: str, inputs: str, *, divisor: float = 1.0) -> str:
        self._size = layer.kernel.shape[1]
        options = {"units": self._size, "activation": activation}
        weights = {"vars": [_array(layer.kernel / divisor), _array(layer.bias / divisor)]}
        return self._archive.add("Dense", options, (None, self._size), [inputs], weights)


def _arrays(state: Mapping[str, Tensor], names: tuple[str, ...]) -> list[npt.NDArray[np.float32]]:
    return [_array(state[name]) for name in names]


def _array(tensor: Tensor) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = tensor.detach().to(torch.float32).numpy()
    return array
