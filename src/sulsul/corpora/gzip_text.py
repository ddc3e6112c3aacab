"""Reading `.gz` so that damage and archive bombs become errors with a reason."""

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sulsul.errors import DataError

# Text shrinks to a third or a tenth, endlessly repeated text to a hundredth; deflate can do 1,032 to 1.
_LARGEST_RATIO = 200
_UNSUSPICIOUS_BYTES = 1 << 28


class GzipText(gzip.GzipFile):
    """A ``.gz`` file, opened for reading.

    Raises
    ------
    DataError
        On reading, if the file is damaged, cut short, or unpacks to more than 256 MiB and 200 times its size.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")
        self._path = path
        self._largest = max(_UNSUSPICIOUS_BYTES, _LARGEST_RATIO * path.stat().st_size)

    def read(self, size: int | None = -1) -> bytes:
        """Return up to ``size`` unpacked bytes (-1: all)."""
        if size is None or size < 0:
            size = self._largest + 1
        return self._guarded(super().read, size)

    def read1(self, size: int = -1) -> bytes:
        """Return up to ``size`` unpacked bytes with as few reads as possible."""
        return self._guarded(super().read1, size)

    def _guarded(self, read: Callable[[int], Any], size: int) -> bytes:
        try:
            content: bytes = read(size)
            unpacked = self.tell()
        except (EOFError, OSError, zlib.error) as error:
            raise DataError(f"{self._path} is no whole .gz file ({error}); fetch or pack it again.") from None
        if unpacked > self._largest:
            raise DataError(
                f"{self._path} unpacks to more than {_LARGEST_RATIO} times its size: not a table. Unpack it yourself "
                "if you trust it."
            )
        return content
