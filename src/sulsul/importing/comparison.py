"""An imported network's logits beside those of Keras."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.bundle import Bundle
from sulsul.errors import BundleError
from sulsul.export.keras_file import write_keras
from sulsul.export.parity import exact_logits
from sulsul.importing.network import ImportedNetwork
from sulsul.keras_files.description import Description
from sulsul.keras_files.keras_process import keras_version, logits_in_keras
from sulsul.keras_files.plainness import first_foreign_class

LARGEST_ERROR = 1e-5
"""Largest difference of a logit that an import may show, relative to the largest logit or 1."""

_N_TEXTS, _LENGTH = 16, 24


@dataclass(frozen=True)
class Comparison:
    """How near the logits are.

    Attributes
    ----------
    max_abs_error
        Largest absolute difference of a logit between Keras and ours in float64; None where it was not compared.
    n_texts
        Sequences of random token ids compared.
    said
        With what, or why not.
    """

    max_abs_error: float | None
    n_texts: int
    said: str


def compare_with_keras(path: Path, description: Description, network: ImportedNetwork, bundle: Bundle) -> Comparison:
    """Compare logits on random token ids, masked ones among them.

    Keras loads the file itself if that names only Keras's own classes; otherwise, or where this Keras can no longer
    load it, a copy written anew from what was read.

    Raises
    ------
    BundleError
        If a logit differs by more than :data:`LARGEST_ERROR` allows.
    """
    version = keras_version()
    if version is None:
        return Comparison(None, 0, "Keras 3 is not installed: pip install 'sulsul[keras]'")
    ids = _random_ids(network)
    with tempfile.TemporaryDirectory() as folder:
        theirs, said = _keras_logits(path, description, network, bundle, ids, Path(folder))
    ours = exact_logits(bundle.ensemble, _sequences(ids, masked=network.masked), 1.0)
    error = float(np.abs(ours - theirs).max())
    allowed = LARGEST_ERROR * max(1.0, float(np.abs(theirs).max()))
    if not error <= allowed:
        raise BundleError(
            f"{path} was not imported: a logit differs by {error:.1e} from Keras {version}'s, more than {allowed:.1e}."
        )
    return Comparison(error, len(ids), f"Keras {version}{said}")


def _keras_logits(
    path: Path,
    description: Description,
    network: ImportedNetwork,
    bundle: Bundle,
    ids: npt.NDArray[np.int64],
    folder: Path,
) -> tuple[npt.NDArray[np.float64], str]:
    # Loss and optimizer are not loaded.
    foreign = first_foreign_class({key: value for key, value in description.config.items() if key != "compile_config"})
    if foreign is None:
        try:
            return logits_in_keras(path, _fed(ids, network)), ""
        except BundleError as error:
            reason = f"which does not load the file itself: {error}"
    else:
        reason = f"since the file names {foreign}, which Keras would have to run"
    copy = folder / "copy.keras"
    write_keras(bundle, copy)
    return logits_in_keras(copy, _fed(ids, network)), f" on a copy written anew, {reason}"


def _random_ids(network: ImportedNetwork) -> npt.NDArray[np.int64]:
    """Return (B, T) ids; under a mask some rows are padded behind, some in front, one has a hole."""
    generator = np.random.default_rng(0)
    length = min(network.timesteps or _LENGTH, 500)
    ids = generator.integers(int(network.masked), network.vocabulary_size, (_N_TEXTS, network.timesteps or length))
    # Keras's maximum over the timesteps ignores the mask, see the note of the import.
    if network.masked and network.specification.pooling != "max" and length > 3:
        for row, n_kept in zip(ids[: _N_TEXTS // 2], generator.integers(1, length, _N_TEXTS // 2), strict=True):
            row[n_kept:] = 0
        ids[0] = ids[1][::-1]
        ids[-1, 1] = 0
    return ids


def _sequences(ids: npt.NDArray[np.int64], *, masked: bool) -> EncodedCorpus:
    kept = ids != 0 if masked else np.ones_like(ids, dtype=np.bool_)
    offsets = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int64)
    return EncodedCorpus(ids[kept].astype(np.int32), offsets)


def _fed(ids: npt.NDArray[np.int64], network: ImportedNetwork) -> npt.NDArray[Any]:
    """Return what Keras's input takes: ids, or one-hot rows (B, T, V)."""
    if not network.is_one_hot:
        return ids
    rows = np.zeros((*ids.shape, network.vocabulary_size), np.float32)
    np.put_along_axis(rows, ids[:, :, None], 1.0, axis=2)
    return rows
