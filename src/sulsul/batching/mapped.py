"""Keeping token ids and their types on disk and few of their pages resident.

A page that was read through a mapping counts as resident memory until the kernel takes it back, which it does only when
memory is short. Released, it stays in the file cache at no cost to the process, and the next look maps it again.
"""

import mmap
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sulsul.text.word_types import WordTypes

TOUCHED_ROWS = 4096
"""Texts after which pages are released: each look maps up to 64 KiB around it, so at most 256 MiB are resident."""
_BLOCK_BYTES = 1 << 26
_DTYPES = ("<i8", "<i4")


def map_array(path: Path, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return the flat array that a file holds, read-only; its pages are read when they are looked at.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """
    with path.open("rb") as file:
        if not path.stat().st_size:
            return np.zeros(0, dtype)
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype)


def release_pages(array: npt.NDArray[Any]) -> None:
    """Let go of the resident pages of a mapped array; nothing happens to any other."""
    if (mapping := _mapping_of(array)) is not None:
        mapping.madvise(mmap.MADV_DONTNEED)


def blocks_of(array: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Yield an array block by block along its first axis, releasing what was looked at."""
    n_rows = max(1, _BLOCK_BYTES // max(1, array.itemsize * (array.size // max(1, len(array)))))
    for start in range(0, len(array), n_rows):
        yield array[start : start + n_rows]
        release_pages(array)


class PageKeeper:
    """Releases the pages of mapped arrays after every :data:`TOUCHED_ROWS` texts that were looked at."""

    def __init__(self, token_ids: npt.NDArray[np.int32], types: WordTypes | None = None) -> None:
        arrays = (token_ids,) if types is None else (token_ids, types.offsets, types.part_ids)
        self._arrays = [array for array in arrays if _mapping_of(array) is not None]
        self._n_touched = 0

    def touched(self, n_texts: int) -> None:
        """Count texts that were looked at."""
        if not self._arrays:
            return
        self._n_touched += n_texts
        if self._n_touched >= TOUCHED_ROWS:
            for array in self._arrays:
                release_pages(array)
            self._n_touched = 0


class TypesWriter:
    """Appends word types to two files, ``NAME.type_offsets`` and ``NAME.type_parts``; a context manager."""

    def __init__(self, folder: Path, name: str) -> None:
        self._files = ExitStack()
        self._offsets, self._parts = (self._files.enter_context(path.open("wb")) for path in _type_paths(folder, name))
        self._n_parts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._files.close()

    def append(self, types: WordTypes | None) -> None:
        """Write further types; of none, as with a tokenizer without n-grams, the files stay empty."""
        if types is None:
            return
        first = 1 if self._offsets.tell() else 0
        self._offsets.write((types.offsets[first:] + self._n_parts).astype("<i8", copy=False).tobytes())
        self._parts.write(types.part_ids.astype("<i4", copy=False).tobytes())
        self._n_parts += types.part_ids.size


def map_types(folder: Path, name: str) -> WordTypes:
    """Return the types that :class:`TypesWriter` wrote; raises as :func:`map_array`."""
    offsets, parts = (map_array(path, dtype) for path, dtype in zip(_type_paths(folder, name), _DTYPES, strict=True))
    types = WordTypes(offsets, parts)
    for array in (offsets, parts):  # all were looked at, to check them
        release_pages(array)
    return types


def _type_paths(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.type_offsets", folder / f"{name}.type_parts"


def _mapping_of(array: npt.NDArray[Any]) -> mmap.mmap | None:
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, memoryview):
        owner = owner.obj
    return owner if isinstance(owner, mmap.mmap) else None
