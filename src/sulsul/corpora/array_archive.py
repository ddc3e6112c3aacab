"""Reading `.npz` archives, pickled object arrays included, without ever running what a pickle asks for.

NumPy reads object arrays with the full ``pickle`` machine (``allow_pickle=True``), which runs any function the file
names. Here the few names that array reconstruction needs are bound to inert stand-ins that only record what they are
given; every other name is refused. Nothing of NumPy itself is called with values from the pickle.
"""

import io
import pickle
import tokenize
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from sulsul.corpora.pickle_gate import refused_opcode
from sulsul.errors import DataError
from sulsul.files import UNREADABLE_ARCHIVE

# An archive larger than this (unpacked) is refused: Keras's own IMDB archive is 60 MB unpacked.
_LARGEST_BYTES = 2 << 30
_LARGEST_HEADER_BYTES = 10_000

# `_read_array_header` accepts pickles only if told so; these read the header alone.
_HEADERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}


class _RefusedError(Exception):
    """A pickle asks for something that is not admitted; the message says for what."""


class PickledArray:
    """Stand-in for ``numpy.ndarray`` inside a pickle: keeps the state it is given and does nothing with it.

    ``size_bytes`` is the length of the pickle, for the outermost array.
    """

    shape: tuple[int, ...] = ()
    dtype: "PickledDtype | None" = None
    content: object = None
    size_bytes = 0

    def __setstate__(self, state: object) -> None:
        if not (isinstance(state, tuple) and len(state) == 5):
            raise _RefusedError("an array with a state of unknown form")
        _, shape, dtype, _, content = state
        if not (isinstance(shape, tuple) and all(type(size) is int for size in shape)):
            raise _RefusedError("an array whose shape is not a tuple of integers")
        if not isinstance(dtype, PickledDtype):
            raise _RefusedError("an array without a dtype")
        self.shape, self.dtype, self.content = shape, dtype, content

    def integers(self) -> npt.NDArray[np.int64] | None:
        """Return the content of a one-dimensional integer array, None if it is something else."""
        if self.dtype is None or len(self.shape) != 1 or not isinstance(self.content, bytes):
            return None
        dtype = self.dtype.integer()
        if dtype is None or len(self.content) != self.shape[0] * dtype.itemsize:
            return None
        return np.frombuffer(self.content, dtype=dtype).astype(np.int64)


class PickledDtype:
    """Stand-in for ``numpy.dtype`` inside a pickle."""

    def __init__(self, code: object = "", *_: object) -> None:
        self._code = code if isinstance(code, str) else ""
        self._order = "<"

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            self._order = state[1]

    @property
    def is_object(self) -> bool:
        """Whether this is the dtype of Python objects."""
        return self._code[:1] == "O"

    def integer(self) -> np.dtype[Any] | None:
        """Return the integer dtype this stands for, None if it stands for another kind."""
        known = {f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)}
        return np.dtype(self._order + self._code) if self._code in known else None


def _reconstruct(subtype: object, *_: object) -> PickledArray:
    if subtype is not PickledArray:
        raise _RefusedError("a reconstruction of something that is no array")
    return PickledArray()


def _from_buffer(content: object, dtype: object, shape: object, *_: object) -> PickledArray:
    array = PickledArray()
    plain = bytes(content) if isinstance(content, (bytes, bytearray)) else None
    array.__setstate__((1, shape, dtype, False, plain))
    return array


def _no_bytes() -> bytes:
    # How the older protocols write empty bytes.
    return b""


def _encode(text: object, encoding: object = "latin1") -> bytes:
    # How Python 3 writes bytes in the older pickle protocols.
    if not (isinstance(text, str) and encoding in ("latin1", "latin-1")):
        raise _RefusedError("bytes of unknown form")
    return text.encode("latin-1")


_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("numpy", "ndarray"): PickledArray,
    ("numpy", "dtype"): PickledDtype,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    ("builtins", "bytes"): _no_bytes,
}


class _ListUnpickler(pickle.Unpickler):
    """Admits lists, integers and array reconstruction; every other name raises."""

    def find_class(self, module: str, name: str) -> Any:
        admitted = _ADMITTED.get((module, name))
        if admitted is None:
            raise _RefusedError(f"{module}.{name}")
        return admitted

    def persistent_load(self, pid: Any) -> NoReturn:
        raise _RefusedError("a persistent object")


Member = npt.NDArray[Any] | PickledArray


def read_archive(path: Path) -> dict[str, Member]:
    """Return the arrays of a `.npz` by name; those of Python objects as :class:`PickledArray`.

    Raises
    ------
    DataError
        If it is no `.npz`, a member is damaged, all unpack to more than 2 GiB, or a pickle asks for anything but lists,
        integers and array reconstruction.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            _check_sizes(members, path)
            return {member.filename.removesuffix(".npy"): _read_member(archive, member, path) for member in members}
    except UNREADABLE_ARCHIVE as error:
        raise DataError(f"{path} is no readable .npz archive ({error}).") from error


def _check_sizes(members: list[zipfile.ZipInfo], path: Path) -> None:
    """Refuse what is too large before any of it is unpacked; the archive reader gives no more than was announced."""
    total = sum(member.file_size for member in members)
    if total > _LARGEST_BYTES:
        raise DataError(f"{path}: {total} bytes unpacked; more than {_LARGEST_BYTES} is refused.")


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> Member:
    name = f"{path}, array {member.filename.removesuffix('.npy')!r}"
    with archive.open(member) as file:
        try:
            version = npy_format.read_magic(file)
            with warnings.catch_warnings(action="ignore", category=UserWarning):  # of archives that Python 2 wrote
                shape, _, dtype = _HEADERS[version](file, max_header_size=_LARGEST_HEADER_BYTES)
        except (ValueError, KeyError, TypeError, SyntaxError, RecursionError, tokenize.TokenError) as error:
            raise DataError(f"{name}: no NumPy array ({error}).") from error
        if dtype.hasobject:
            return _unpickle(file, shape, name)
        return _plain(file, shape, dtype, name)


def _plain(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> npt.NDArray[Any]:
    content = file.read()
    n_items = 1
    for size in shape:
        n_items *= size
    if n_items < 0 or len(content) != n_items * dtype.itemsize:
        raise DataError(f"{name}: the header announces {shape} of {dtype}, the content is {len(content)} bytes.")
    return np.frombuffer(content, dtype=dtype).reshape(shape)


def _unpickle(file: IO[bytes], shape: tuple[int, ...], name: str) -> PickledArray:
    content = file.read()
    if (refused := refused_opcode(content)) is not None:
        raise DataError(f"{name}: its pickle holds {refused}; only lists, integers and arrays are admitted.")
    try:
        found = _ListUnpickler(io.BytesIO(content), encoding="latin1").load()
    except _RefusedError as error:
        raise DataError(
            f"{name}: its pickle asks for {error}; only lists, integers and arrays are admitted. "
            "If you do not trust where the file comes from, do not open it with another program."
        ) from error
    # A damaged pickle makes the machine fail in many ways; none of them may reach the user as a traceback.
    except Exception as error:
        raise DataError(f"{name}: a damaged pickle ({type(error).__name__}: {error}).") from error
    if not isinstance(found, PickledArray) or found.dtype is None or not isinstance(found.content, list):
        raise DataError(f"{name}: the pickle does not hold an array of lists.")
    n_items = 1
    for size in found.shape:
        n_items *= size
    if found.shape != shape or n_items != len(found.content) or not found.dtype.is_object:
        raise DataError(f"{name}: the header announces {shape}, the pickle holds {found.shape}.")
    found.size_bytes = len(content)
    return found
