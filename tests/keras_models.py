"""Keras itself, on torch, and models of it with weights large enough that a mistake shows."""

import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def import_keras() -> Any:
    """Return the module ``keras``; the test is skipped where it is not installed."""
    os.environ["KERAS_BACKEND"] = "torch"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("keras", minversion="3")


def randomise(model: Any, seed: int = 0) -> Any:
    """Replace every weight of a built model by a random number of moderate size and return the model."""
    generator = np.random.default_rng(seed)
    model.set_weights(
        [
            generator.uniform(0.05, 0.6, w.shape) * generator.choice([-1, 1], w.shape)
            if not name.endswith("moving_variance")
            else generator.uniform(0.5, 2, w.shape)
            for w, name in zip(model.get_weights(), _names(model), strict=True)
        ]
    )
    return model


def _names(model: Any) -> list[str]:
    return [weight.path for weight in model.weights]


def save(model: Any, path: Path) -> Path:
    """Save a model, without the remarks that Keras makes on it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return path


def rewrite_description(path: Path, change: Any) -> Path:
    """Change the JSON description inside a ``.keras`` or ``.h5`` file by a function of the parsed object."""
    if path.suffix == ".h5":
        import h5py

        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            change(config)
            file.attrs["model_config"] = json.dumps(config)
        return path
    import zipfile

    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def answer_in_this_process(path: Path, inputs: Any) -> Any:
    """Do what :func:`sulsul.keras_files.keras_process.logits_in_keras` does, without the seconds of a process."""
    import tempfile

    from sulsul.errors import BundleError
    from sulsul.keras_files import keras_process

    import_keras()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.save(Path(folder) / "inputs.npy", inputs)
        try:
            keras_process._answer(str(path), str(Path(folder) / "inputs.npy"), str(Path(folder) / "logits.npy"))
        except (ValueError, TypeError) as error:
            raise BundleError(str(error).splitlines()[0]) from error
        return np.load(Path(folder) / "logits.npy").astype(np.float64)
