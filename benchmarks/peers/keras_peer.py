"""Keras on the backend that ``KERAS_BACKEND`` names, through ``model.fit``, texts padded behind to T.

Options: ``layers``, the module its layers are taken from; ``mask_zero``, whether PAD is masked.
"""

import importlib
import os
import platform
import time
from types import ModuleType
from typing import Any

import numpy as np
import protocol

from workloads import Layer, Workload

if os.environ["KERAS_BACKEND"] == "tensorflow":
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(int(os.environ["BENCHMARK_THREADS"]))
    tensorflow.config.threading.set_inter_op_parallelism_threads(int(os.environ["BENCHMARK_THREADS"]))

import keras

_CLASSES = {"simple-rnn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}


def _recurrent(layers: ModuleType, layer: Layer, *, last: bool) -> keras.Layer:
    built = getattr(layers, _CLASSES[layer.kind])(layer.units, return_sequences=not last)
    return layers.Bidirectional(built) if layer.bidirectional else built


def _network(workload: Workload, layers: ModuleType, *, mask_zero: bool) -> keras.Model:
    stack: list[keras.Layer] = []
    if workload.embedding_size is None:
        stack.append(keras.Input((workload.n_timesteps, workload.vocabulary_size)))
    else:
        stack.append(keras.Input((workload.n_timesteps,), dtype="int32"))
        stack.append(layers.Embedding(workload.vocabulary_size, workload.embedding_size, mask_zero=mask_zero))
    last = len(workload.layers) - 1
    stack += [_recurrent(layers, layer, last=i == last) for i, layer in enumerate(workload.layers)]
    stack += [layers.Dense(units, activation) for units, activation in workload.head]
    stack.append(layers.Dense(workload.n_outputs, "sigmoid" if workload.n_outputs == 1 else "softmax"))
    return keras.Sequential(stack)


class _Stopwatch(keras.callbacks.Callback):
    """Seconds from the beginning to the end of the last epoch."""

    seconds = 0.0

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.seconds = time.perf_counter() - self._start


class KerasPeer:
    """The notebooks' way: one compiled model, arrays in memory, ``fit``."""

    def __init__(
        self, workload: Workload, texts: protocol.Texts, weights: dict[str, np.ndarray], options: dict[str, Any]
    ) -> None:
        keras.backend.clear_session()
        self._workload = workload
        layers = importlib.import_module(options.get("layers", "keras.layers"))
        self._network = _network(workload, layers, mask_zero=options.get("mask_zero", False))
        self._network.set_weights([weights[name] for name in workload.parameter_shapes()])
        optimizers = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}
        loss = "binary_crossentropy" if workload.n_outputs == 1 else "sparse_categorical_crossentropy"
        self._network.compile(optimizers[workload.optimizer](1e-3), loss, metrics=["accuracy"])
        padded = texts.padded(workload.n_timesteps)
        self._inputs = padded
        if workload.embedding_size is None:
            self._inputs = np.zeros((*padded.shape, workload.vocabulary_size), np.float32)
            np.put_along_axis(self._inputs, padded[:, :, None], 1.0, axis=2)
        self._targets = texts.class_ids.astype(np.float32 if workload.n_outputs == 1 else np.int32)

    def train_epoch(self) -> float:
        """Train one epoch."""
        stopwatch = _Stopwatch()
        self._network.fit(
            self._inputs,
            self._targets,
            batch_size=self._workload.batch_size,
            epochs=1,
            shuffle=False,
            verbose=0,
            callbacks=[stopwatch],
        )
        return stopwatch.seconds

    def probabilities(self, n: int) -> np.ndarray:
        """Return probabilities of the first texts."""
        return np.asarray(self._network.predict_on_batch(self._inputs[:n]))

    def infer(self, batch_size: int, n: int) -> float:
        """Return the seconds of batch after batch; Keras compiles the batch once."""
        return protocol.seconds(
            lambda: [
                np.asarray(self._network.predict_on_batch(self._inputs[start : start + batch_size]))
                for start in range(0, n, batch_size)
            ]
        )


def _versions() -> dict[str, str]:
    backend = os.environ["KERAS_BACKEND"]
    module = importlib.import_module(backend)
    return {"Keras": keras.__version__, backend: module.__version__, "Python": platform.python_version()}


if __name__ == "__main__":
    protocol.serve(KerasPeer, _versions)
