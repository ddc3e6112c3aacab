"""One Keras script on every backend, and with one import line changed.

Embedding with ``mask_zero=True``, recurrent layers, dense layers, ``model.fit``: on TensorFlow, JAX and torch with
``keras.layers``, and on torch with ``sulsul.keras.layers``. The script itself is ``peers/keras_peer.py``.
"""

from typing import Any

from measuring import Effort, measure_inference, measure_training
from peer_process import PEERS, PeerPool
from workloads import WORKLOADS

SCRIPTS = tuple(name for name, kind in PEERS.items() if kind.masked)
SCRIPT_WORKLOADS = ("practical",)
INFERENCE_BATCH = 256


def measure_keras_script(name: str, scripts: list[str], effort: Effort, *, threads: int) -> dict[str, Any]:
    """Return the seconds of a training step and, under ``inference``, those of a text, on texts of real lengths.

    Raises
    ------
    UnequalOutputError
        If a script computes other probabilities than sulsul does from the true lengths.
    """
    workload = WORKLOADS[name]
    with PeerPool(threads) as pool:
        measured = measure_training(pool, workload, "real", scripts, effort)
        inference = measure_inference(pool, workload, INFERENCE_BATCH, scripts, effort)
    return {**measured, "inference": inference["timings"]}
