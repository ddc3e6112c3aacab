"""A column of strings on disk: written block by block, read at any rows, held in memory never."""

import os
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

_BYTES, _ENDS = "bytes", "ends"


class StringWriter:
    """Appends strings to a column; a context manager.

    Parameters
    ----------
    folder
        Where its two files go: the UTF-8 bytes in a row, and int64 (B,) ends.
    name
        What they are called.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._bytes = (folder / f"{name}.{_BYTES}").open("wb")
        self._ends = (folder / f"{name}.{_ENDS}").open("wb")
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bytes.close()
        self._ends.close()

    def append(self, strings: pl.Series) -> None:
        """Write the strings of a block; none may be null."""
        ends = np.cumsum(strings.str.len_bytes().to_numpy(), dtype=np.int64) + self._size
        self._bytes.write("".join(strings.to_list()).encode())
        self._ends.write(ends.astype("<i8").tobytes())
        self._size = int(ends[-1]) if len(ends) else self._size


class StringColumn:
    """A column that :class:`StringWriter` wrote; it stays readable even if its files are removed.

    Bytes are read, not mapped, so that texts which were looked at once do not stay resident.
    """

    def __init__(self, folder: Path, name: str) -> None:
        path = folder / f"{name}.{_ENDS}"
        self._ends = (
            np.memmap(path, "<i8", mode="r") if path.stat().st_size else np.zeros(0, np.int64)
        )  # an empty file cannot be mapped
        self._descriptor = os.open(folder / f"{name}.{_BYTES}", os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def size_bytes(self) -> int:
        """Bytes of all strings together."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def take(self, positions: npt.NDArray[np.int64]) -> list[str]:
        """Return the strings at the given positions, in that order."""
        ends = self._ends[positions]
        starts = np.where(positions > 0, self._ends[positions - 1], 0)
        places = list(zip(starts.tolist(), ends.tolist(), strict=True))
        if sys.platform == "linux":
            # The disk is asked for all of them at once: 4,096 texts anywhere in 5 GB take 1.5 s instead of 9 to 16.
            for start, end in places:
                if end > start:  # a length of 0 would mean the rest of the file
                    os.posix_fadvise(self._descriptor, start, end - start, os.POSIX_FADV_WILLNEED)
        return [_read(self._descriptor, end - start, start).decode() for start, end in places]

    def blocks(self, n_rows: int) -> Iterator[tuple[npt.NDArray[np.int64], bytes]]:
        """Yield (lengths in bytes, the bytes in a row) of so many strings at a time, in order."""
        for start in range(0, len(self), n_rows):
            ends = self._ends[start : start + n_rows]
            begin = int(self._ends[start - 1]) if start else 0
            lengths = np.diff(ends, prepend=begin).astype(np.int64)
            yield lengths, _read(self._descriptor, int(ends[-1]) - begin, begin)


def _read(descriptor: int, n_bytes: int, offset: int) -> bytes:
    """Return exactly so many bytes; one call reads at most 2 GiB."""
    content = os.pread(descriptor, n_bytes, offset)
    while len(content) < n_bytes:
        more = os.pread(descriptor, n_bytes - len(content), offset + len(content))
        if not more:
            raise EOFError(f"a cached column ends {n_bytes - len(content)} bytes early")
        content += more
    return content
