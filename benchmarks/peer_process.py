"""A peer in its own process: started, asked, and ended."""

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from environments import python_of

_FOLDER = Path(__file__).with_name("peers")


@dataclass(frozen=True)
class PeerKind:
    """A peer as it is listed in the results.

    Attributes
    ----------
    label
        What the tables call it.
    environment
        Its virtual environment.
    script
        Its program under ``peers/``.
    padded
        Whether it computes PAD tokens up to T, so that its outputs are those of padded texts.
    trains
        False for a runtime that can only infer.
    masked
        Whether it is one of the Keras scripts with ``mask_zero=True``, which are compared among themselves.
    """

    label: str
    environment: str
    script: str
    padded: bool
    trains: bool = True
    masked: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


_TENSORFLOW = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
_JAX = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
_TORCH = {"KERAS_BACKEND": "torch"}


def _script(label: str, environment: str, variables: dict[str, str], layers: str = "keras.layers") -> PeerKind:
    """Return the one Keras script, with PAD masked, in an environment."""
    options = {"layers": layers, "mask_zero": True}
    return PeerKind(label, environment, "keras_peer.py", False, masked=True, variables=variables, options=options)


PEERS = {
    "sulsul": PeerKind("sulsul", "sulsul", "sulsul_peer.py", padded=False),
    "sulsul-random": PeerKind(
        "sulsul, random batches", "sulsul", "sulsul_peer.py", padded=False, options={"bucket": False}
    ),
    "keras-tensorflow": PeerKind(
        "Keras, TensorFlow", "keras-tensorflow", "keras_peer.py", padded=True, variables=_TENSORFLOW
    ),
    "keras-jax": PeerKind("Keras, JAX", "keras-jax", "keras_peer.py", padded=True, variables=_JAX),
    "torch": PeerKind("torch.nn, padded", "torch", "torch_peer.py", padded=True),
    "torch-packed": PeerKind("torch.nn, packed", "torch", "torch_peer.py", padded=False, options={"packed": True}),
    "onnxruntime": PeerKind("ONNX Runtime", "onnxruntime", "onnxruntime_peer.py", padded=False, trains=False),
    "script-ours": _script("torch, sulsul.keras", "sulsul", _TORCH, "sulsul.keras.layers"),
    "script-tensorflow": _script("TensorFlow", "keras-tensorflow", _TENSORFLOW),
    "script-jax": _script("JAX", "keras-jax", _JAX),
    "script-torch": _script("torch", "sulsul", _TORCH),
}


class PeerError(Exception):
    """A peer's process failed; the message is its traceback."""


class PeerProcess:
    """One process of one peer; a context manager.

    Parameters
    ----------
    kind
        The peer.
    threads
        Threads it may use, and cores it is confined to.
    """

    def __init__(self, kind: PeerKind, threads: int) -> None:
        cores = sorted(os.sched_getaffinity(0))[:threads]
        variables = {
            "BENCHMARK_THREADS": str(threads),
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
            "OPENBLAS_NUM_THREADS": str(threads),
        }
        self.kind = kind
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - open while the process lives
        self._process = subprocess.Popen(
            [str(python_of(kind.environment)), str(_FOLDER / kind.script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **variables, **kind.variables},
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        """Whether the process still lives."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            self._errors.close()

    def call(self, name: str, **arguments: Any) -> Any:
        """Return the peer's answer to a call.

        Raises
        ------
        PeerError
            If the call raised, or the process is gone.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"call": name, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            status = self._process.wait()
            self._errors.seek(0)
            raise PeerError(
                f"{self.kind.label} ended during {name} with status {status}:\n{self._errors.read()[-2000:]}"
            )
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(f"{self.kind.label} failed in {name}:\n{answer['error']}")
        return answer["value"]

    def load(self, folder: Path) -> None:
        """Build the problem's network in the peer."""
        self.call("load", folder=str(folder), options=self.kind.options)

    def probabilities(self, n: int) -> np.ndarray:
        """Return the probabilities (n, C) of the first texts."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "probabilities.npy"
            self.call("probabilities", n=n, path=str(path))
            return np.load(path)


class PeerPool:
    """Processes of peers, started when first asked for and ended together; a context manager.

    Parameters
    ----------
    threads
        Threads of each.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._processes: dict[str, PeerProcess] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def get(self, name: str) -> PeerProcess:
        """Return the process of a peer."""
        if name in self._processes and not self._processes[name].is_running:
            self._processes.pop(name).close()
        if name not in self._processes:
            self._processes[name] = PeerProcess(PEERS[name], self._threads)
        return self._processes[name]

    def end(self) -> None:
        """End all processes; the next one asked for starts anew."""
        for process in self._processes.values():
            process.close()
        self._processes.clear()
