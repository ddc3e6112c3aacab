"""Keras model files as Keras 3 writes them, and arrays beside them."""

import json
import zipfile

import numpy as np
import pytest

from sulsul.doctor.keras_files.evidence import KerasEvidence
from sulsul.doctor.keras_files.inputs import read_inputs
from sulsul.keras_files.model_file import read_keras_model


def layer(kind, inner=None, **settings):
    config = dict(settings)
    if inner is not None:
        config["layer"] = inner
    return {"module": "keras.layers", "class_name": kind, "config": config, "registered_name": None}


def embedding(size=50, **settings):
    return layer("Embedding", input_dim=size, output_dim=8, mask_zero=settings.get("mask_zero", False))


def lstm(**settings):
    return layer("LSTM", units=8, activation="tanh", **{"return_sequences": False, **settings})


def dense(units=1, activation="sigmoid"):
    return layer("Dense", units=units, activation=activation)


def optimizer(name="Adam", rate=1e-3, **settings):
    return {"class_name": name, "config": {"learning_rate": rate, **settings}}


@pytest.fixture
def model_file(tmp_path):
    """Return a function that writes a ``.keras`` archive."""

    def write(*layers, loss="binary_crossentropy", input_shape=(None, 20), compiled=True, **fields):
        config = {
            "class_name": "Sequential",
            "config": {"name": "sequential", "layers": [layer("InputLayer", batch_shape=list(input_shape)), *layers]},
        }
        if compiled:
            config["compile_config"] = {"optimizer": optimizer(), "loss": loss, **fields}
        path = tmp_path / "model.keras"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", json.dumps(config))
        return path

    return write


def padded_ids(n=40, length=20, words=12, *, behind=True, largest=49, seed=0):
    """Return int32 (n, length) token ids of ``words`` words each, the rest id 0."""
    rng = np.random.default_rng(seed)
    ids = np.zeros((n, length), np.int32)
    part = slice(0, words) if behind else slice(length - words, length)
    ids[:, part] = rng.integers(3, largest + 1, (n, words))
    return ids


@pytest.fixture
def evidence_of(model_file, tmp_path):
    """Return a function that writes a model and its arrays and reads both."""

    def build(*layers, arrays=None, **fields):
        model = read_keras_model(model_file(*layers, **fields))
        if arrays is None:
            return KerasEvidence(model)
        np.savez(tmp_path / "inputs.npz", **arrays)
        return KerasEvidence(model, read_inputs(tmp_path / "inputs.npz"))

    return build
