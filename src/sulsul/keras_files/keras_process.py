"""A Keras file's logits as Keras itself computes them, in a process of its own.

In a process, because Keras takes seconds to import, decides on its backend then, and a crash in it must not be ours.
Run as a program it is the inside of that process.
"""

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sulsul.errors import BundleError

_TIMEOUT_S = 600
_BATCH_SIZE = 32


def keras_version() -> str | None:
    """Return the version of the installed Keras; None if it is missing or older than 3."""
    if importlib.util.find_spec("keras") is None:
        return None
    version = importlib.metadata.version("keras")
    return version if int(version.partition(".")[0]) >= 3 else None


def logits_in_keras(path: Path, inputs: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return what Keras gives for inputs, the output's sigmoid or softmax left away.

    The file is loaded in safe mode and without its loss and optimizer. The backend is that of ``KERAS_BACKEND``, else
    torch, which is always there.

    Parameters
    ----------
    path
        A ``.keras`` or ``.h5`` file that was found to name nothing but Keras's own classes.
    inputs
        What its input takes: (B, T) ids, or (B, T, V).

    Returns
    -------
    numpy.ndarray, shape (B, L)

    Raises
    ------
    BundleError
        With the last line of what Keras said, if it cannot load or run the file.
    """
    environment = {"KERAS_BACKEND": "torch", "TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "CUDA_VISIBLE_DEVICES": ""}
    with tempfile.TemporaryDirectory() as folder:
        given, answered = Path(folder) / "inputs.npy", Path(folder) / "logits.npy"
        np.save(given, inputs)
        command = [sys.executable, "-m", __name__, str(path.absolute()), str(given), str(answered)]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, encoding="utf-8", errors="replace", timeout=_TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            raise BundleError(f"Keras did not answer within {_TIMEOUT_S} s") from None
        if done.returncode or not answered.exists():
            said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            raise BundleError(_last_error(said) or f"Keras ended with status {done.returncode}")
        logits: npt.NDArray[np.float64] = np.load(answered, allow_pickle=False).astype(np.float64)
    return logits


def _last_error(lines: list[str]) -> str | None:
    """Return the line with which the last traceback ends, or the last line."""
    errors = [line for line in lines if "Error" in line.partition(":")[0]]
    return next(reversed(errors or lines), None)


def _answer(model_file: str, given: str, answered: str) -> None:
    import keras

    model = keras.saving.load_model(model_file, compile=False, safe_mode=True)
    last = model.layers[-1]
    if isinstance(last, (keras.layers.Activation, keras.layers.Softmax)):
        model = keras.Model(model.inputs, model.layers[-2].output)
    else:
        last.activation = keras.activations.linear
    np.save(answered, model.predict(np.load(given), batch_size=_BATCH_SIZE, verbose=0))


if __name__ == "__main__":
    _answer(*sys.argv[1:])
