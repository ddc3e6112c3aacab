"""Writing a ``.keras`` archive as Keras 3 reads it, without Keras."""

import datetime
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sulsul.keras_files.stack import snake_case
from sulsul.keras_files.weights import require_h5py

Shape = tuple[int | None, ...]
_KERAS_VERSION = "3.3.0"  # the oldest that reads what is written here


class ModelArchive:
    """Collects the layers of a model; each reads the outputs of earlier ones.

    Parameters
    ----------
    name
        Of the model.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._entries: list[dict[str, Any]] = []
        self._shapes: dict[str, Shape] = {}
        self._arrays: dict[str, npt.NDArray[np.float32]] = {}
        self._branches = False

    def add(
        self,
        kind: str,
        settings: Mapping[str, Any],
        shape: Shape,
        sources: Sequence[str] = (),
        weights: Mapping[str, Sequence[npt.NDArray[np.float32]]] | None = None,
    ) -> str:
        """Add a layer and return its name.

        Parameters
        ----------
        kind, settings
            Keras's class and its configuration, defaults left out.
        shape
            Of its output, batch first.
        sources
            Names of the layers that it reads.
        weights
            Arrays in Keras's order by place: ``vars``, ``cell/vars``, ``forward_layer/cell/vars``.
        """
        stem = snake_case(kind)
        n_before = sum(entry["class_name"] == kind for entry in self._entries)
        name = f"{stem}_{n_before}" if n_before else stem
        self._branches |= list(sources) != [entry["name"] for entry in self._entries[-1:]]
        self._shapes[name] = shape
        self._entries.append(
            {
                "module": "keras.layers",
                "class_name": kind,
                "config": {"name": name, **settings},
                "registered_name": None,
                "name": name,
                "inbound_nodes": [_node([self._tensor(source) for source in sources])] if sources else [],
            }
        )
        for place, arrays in (weights or {}).items():
            for number, array in enumerate(arrays):
                self._arrays[f"layers/{name}/{place}/{number}"] = np.asarray(array, dtype=np.float32)
        return name

    def to_bytes(self) -> bytes:
        """Return the archive: a ``Sequential`` model where the layers form a chain, else a functional one.

        Raises
        ------
        UsageError
            If h5py is not installed.
        """
        saved = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d@%H:%M:%S")
        parts = {
            "metadata.json": json.dumps({"keras_version": _KERAS_VERSION, "date_saved": saved}).encode(),
            "config.json": json.dumps(self._config()).encode(),
            "model.weights.h5": self._weights(),
        }
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
        return buffer.getvalue()

    def _tensor(self, source: str) -> dict[str, Any]:
        history = {"shape": list(self._shapes[source]), "dtype": "float32", "keras_history": [source, 0, 0]}
        return {"class_name": "__keras_tensor__", "config": history}

    def _config(self) -> dict[str, Any]:
        first, last = self._entries[0]["name"], self._entries[-1]["name"]
        common = {"registered_name": None, "build_config": {"input_shape": list(self._shapes[first])}}
        if not self._branches:
            layers = [
                {key: value for key, value in entry.items() if key not in ("name", "inbound_nodes")}
                for entry in self._entries
            ]
            config = {"name": self._name, "trainable": True, "layers": layers}
            return {"module": "keras", "class_name": "Sequential", "config": config, **common}
        config = {
            "name": self._name,
            "trainable": True,
            "layers": self._entries,
            "input_layers": [[first, 0, 0]],
            "output_layers": [[last, 0, 0]],
        }
        return {"module": "keras.src.models.functional", "class_name": "Functional", "config": config, **common}

    def _weights(self) -> bytes:
        require_h5py()
        import h5py

        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            for place, array in self._arrays.items():
                file.create_dataset(place, data=array)
        return buffer.getvalue()


def _node(tensors: list[dict[str, Any]]) -> dict[str, Any]:
    return {"args": tensors if len(tensors) == 1 else [tensors], "kwargs": {}}
