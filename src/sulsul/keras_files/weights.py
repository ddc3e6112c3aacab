"""The weight arrays of a Keras file, read so that a forged file costs neither memory nor other files' contents."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sulsul.errors import BundleError, UsageError
from sulsul.files import UNREADABLE_ARCHIVE
from sulsul.keras_files.description import Description
from sulsul.keras_files.stack import StackedLayer

if TYPE_CHECKING:
    import h5py

Array = npt.NDArray[np.float32]

_MEMBER = "model.weights.h5"
_LARGEST_RATIO = 20  # Keras stores the weights as they are; float32 numbers can hardly be packed at all
_SMALL_BYTES = 1 << 20
_ROOTS = ("layers", "_layer_checkpoint_dependencies")  # Keras 3; .keras files of TensorFlow 2.12
_HDF5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError)


def require_h5py() -> None:
    """Refuse to go on without h5py.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise UsageError(
            f"the weights of Keras files are HDF5, which needs h5py ({error}): pip install 'sulsul[keras]'"
        ) from error
    del h5py


class WeightsReader:
    """The open weights of one file; made by :func:`open_weights`."""

    def __init__(self, file: "h5py.File", description: Description, where: str) -> None:
        self._file = file
        self._container = description.container
        self._where = where

    def arrays(self, layer: StackedLayer) -> list[Array]:
        """Return the arrays of a layer in Keras's order, float32; of a ``Bidirectional`` the forward ones first.

        Raises
        ------
        BundleError
            If they are missing, are no floating-point numbers, are links to elsewhere, or claim to be more than the
            file holds.
        """
        try:
            if self._container == "h5":
                return self._legacy(layer)
            return self._current(layer)
        except _HDF5_ERRORS as error:
            raise BundleError(f"{self._where}: the weights of {layer} cannot be read ({error}).") from None

    def _current(self, layer: StackedLayer) -> list[Array]:
        root = next((root for root in _ROOTS if root in self._file), None)
        if root is None:
            raise BundleError(f"{self._where}: {_MEMBER} holds no layers.")
        group = f"{root}/{layer.group}"
        if layer.bidirectional:
            places = [f"{group}/{direction}/cell/vars" for direction in ("forward_layer", "backward_layer")]
        else:
            recurrent = layer.kind in ("SimpleRNN", "GRU", "LSTM")
            places = [f"{group}/cell/vars" if recurrent else f"{group}/vars"]
        return [array for place in places for array in self._numbered(place)]

    def _numbered(self, place: str) -> list[Array]:
        group = self._followed(place)
        return [self._array(f"{place}/{number}") for number in range(len(group))]

    def _legacy(self, layer: StackedLayer) -> list[Array]:
        root = "model_weights" if "model_weights" in self._file else ""
        place = f"{root}/{layer.name}".strip("/")
        names = self._followed(place).attrs["weight_names"]
        spelt = [name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in names]
        return [self._array(f"{place}/{name}") for name in spelt]

    def _followed(self, place: str) -> Any:
        """Return what lies at a path of groups, every step of which must lie in this very file."""
        import h5py

        found: Any = self._file
        for step in place.split("/"):
            if not isinstance(found, h5py.Group) or step in ("", ".", ".."):
                raise BundleError(f"{self._where}: {place} is no path among the weights.")
            if not isinstance(found.get(step, getlink=True), h5py.HardLink):
                raise BundleError(f"{self._where}: {place} is a link to elsewhere; weights must lie in the file.")
            found = found[step]
        return found

    def _array(self, place: str) -> Array:
        import h5py

        dataset = self._followed(place)
        if not isinstance(dataset, h5py.Dataset):
            raise BundleError(f"{self._where}: {place} is no array.")
        if dataset.is_virtual or dataset.external:
            raise BundleError(f"{self._where}: {place} refers to another file; weights must lie in the file.")
        if dataset.dtype.kind != "f" or dataset.ndim > 2:
            raise BundleError(
                f"{self._where}: {place} is {dataset.ndim}-dimensional {dataset.dtype}; expected floating-point "
                "numbers of at most two dimensions. Quantised models cannot be imported."
            )
        stored = dataset.id.get_storage_size()
        if dataset.nbytes > max(_SMALL_BYTES, _LARGEST_RATIO * stored):
            raise BundleError(f"{self._where}: {place} claims {dataset.nbytes:,} bytes, and {stored:,} are stored.")
        return np.asarray(dataset[()], dtype=np.float32)


@contextmanager
def open_weights(path: Path, description: Description) -> Iterator[WeightsReader]:
    """Open the weights of a Keras file.

    Raises
    ------
    UsageError
        If h5py is not installed.
    BundleError
        If the file holds no readable weights.
    """
    require_h5py()
    import h5py

    source = path if description.container == "h5" else io.BytesIO(_member(path))
    try:
        file = h5py.File(source, "r")
    except _HDF5_ERRORS as error:
        raise BundleError(f"{path}: the weights are no readable HDF5 ({error}).") from None
    with file:
        yield WeightsReader(file, description, str(path))


def _member(path: Path) -> bytes:
    """Return the weights of an archive, which must not be packed far smaller than they are."""
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo(_MEMBER)
            if entry.file_size > max(_SMALL_BYTES, _LARGEST_RATIO * entry.compress_size):
                raise BundleError(
                    f"{path}: {_MEMBER} unpacks from {entry.compress_size:,} to {entry.file_size:,} bytes: not weights."
                )
            if entry.file_size > path.stat().st_size * _LARGEST_RATIO:
                raise BundleError(f"{path}: {_MEMBER} claims {entry.file_size:,} bytes, more than the file can hold.")
            return archive.read(entry)
    except KeyError:
        raise BundleError(
            f"{path} holds no {_MEMBER}; weights in several files, or as a notebook's own, cannot be imported."
        ) from None
    except UNREADABLE_ARCHIVE as error:
        raise BundleError(f"{path} is no readable .keras archive ({error}).") from None


def expect_shapes(arrays: Sequence[Array], shapes: Sequence[tuple[int, ...]], layer: StackedLayer, where: str) -> None:
    """Make sure that arrays have the shapes that a layer's settings ask for, and are finite.

    Raises
    ------
    BundleError
        If they have not.
    """
    found = [array.shape for array in arrays]
    if found != list(shapes):
        raise BundleError(
            f"{where}: the weights of {layer} have the shapes {found}, but its settings ask for {list(shapes)}."
        )
    if not all(np.isfinite(array).all() for array in arrays):
        raise BundleError(f"{where}: the weights of {layer} hold NaN or infinity: the training went astray.")
