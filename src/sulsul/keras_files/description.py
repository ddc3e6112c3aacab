"""The JSON in which a Keras file describes its model, taken out of the archive or the HDF5 file."""

import json
import zipfile
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sulsul.errors import BundleError
from sulsul.files import UNREADABLE_ARCHIVE

# Parsed, nested lists take some twenty times the memory of their text.
_LARGEST_DESCRIPTION_BYTES = 16 << 20
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"


class Description(NamedTuple):
    """What the file says of the model.

    Attributes
    ----------
    container
        ``keras`` for the archive of Keras 3, ``h5`` for HDF5.
    config
        Class and configuration of the model.
    compiled
        Loss and optimizer; None where the model was not compiled.
    """

    container: Literal["keras", "h5"]
    config: dict[str, Any]
    compiled: dict[str, Any] | None


def read_description(path: Path) -> Description:
    """Read the description of a ``.keras`` or ``.h5`` file; what kind it is, its first bytes say.

    Raises
    ------
    BundleError
        If the file is missing, is neither, holds no description, or is HDF5 and h5py is not installed.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}.") from None
    if head.startswith(_ZIP):
        config = _from_archive(path)
        compiled = config.get("compile_config")
        return Description("keras", config, compiled if isinstance(compiled, dict) else None)
    if head == _HDF5:
        config, compiled = _from_hdf5(path)
        return Description("h5", config, compiled)
    raise BundleError(f"{path} is neither a .keras archive nor HDF5; save the model with model.save('model.keras').")


def _from_archive(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > _LARGEST_DESCRIPTION_BYTES:
                raise BundleError(f"{path}: config.json is larger than {_LARGEST_DESCRIPTION_BYTES} bytes.")
            text = archive.read("config.json")
    except KeyError:
        raise BundleError(f"{path} is an archive without config.json: not a Keras model.") from None
    except UNREADABLE_ARCHIVE as error:
        raise BundleError(f"{path} is no readable .keras archive ({error}).") from None
    return _parsed(text, path)


def _from_hdf5(path: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    try:
        import h5py
    except ImportError:
        raise BundleError(
            f"{path} is HDF5, which needs h5py: pip install h5py; or save the model as model.save('model.keras')."
        ) from None
    try:
        with h5py.File(path, "r") as file:
            for name in ("model_config", "training_config"):
                if name in file.attrs and file.attrs.get_id(name).get_storage_size() > _LARGEST_DESCRIPTION_BYTES:
                    raise BundleError(f"{path}: {name} is larger than {_LARGEST_DESCRIPTION_BYTES} bytes.")
            described, trained = file.attrs.get("model_config"), file.attrs.get("training_config")
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise BundleError(f"{path} is no readable HDF5 file ({error}).") from None
    if described is None:
        raise BundleError(f"{path} holds weights only: save the whole model with model.save.")
    return _parsed(described, path), None if trained is None else _parsed(trained, path)


def _parsed(text: object, path: Path) -> dict[str, Any]:
    if not isinstance(text, str | bytes):
        raise BundleError(f"{path}: the description of the model is not text.")
    if len(text) > _LARGEST_DESCRIPTION_BYTES:  # HDF5 tells the size of a text of any length only when it is read
        raise BundleError(f"{path}: the description of the model is larger than {_LARGEST_DESCRIPTION_BYTES} bytes.")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: the description of the model is not JSON ({error}).") from None
    if not isinstance(found, dict):
        raise BundleError(f"{path}: the description of the model is not an object.")
    return found
