"""Writing files so that a reader sees the old content or the new, never half of it."""

import errno
import lzma
import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sulsul.errors import OutputError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space and repeat the command",
    errno.EDQUOT: "the disk quota is used up; free some space and repeat the command",
    errno.EFBIG: "it would be larger than the file system or the limit of the shell (ulimit -f) allows",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EACCES: "permission was denied; choose another folder",
    errno.EPERM: "permission was denied; choose another folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another path",
    errno.EISDIR: "the path is a folder, not a file; choose another path",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}
UNREADABLE_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
)
"""What ``zipfile`` raises for a damaged or forged archive."""


def output_error(path: Path, error: OSError) -> OutputError:
    """Return the error a user can act on for a failed write to ``path``."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return OutputError(f"{path} cannot be written: {reason}.")


def create_folder(folder: Path) -> bool:
    """Create a folder, and those that it is in, where it is missing; return whether it was.

    Raises
    ------
    OutputError
        If it cannot be created.
    """
    missing = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    return missing


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file in the same folder; when the block ends well, fsync it and rename it to ``path``.

    Parameters
    ----------
    path
        The file to replace or create; its folder must exist.

    Raises
    ------
    OutputError
        If the folder is missing or read-only, or the disk is full. The old file, if any, is untouched.
    """
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
        temporary = None
        sync_folder(path.parent)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file as :func:`replacing` does."""
    with replacing(path) as file:
        file.write(content)


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text as :func:`write_atomically` does."""
    write_atomically(path, text.encode("utf-8"))


def sync_folder(folder: Path) -> None:
    """Make renames inside ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_bounded(path: Path, most_bytes: int) -> bytes | None:
    """Return the content of a file of at most ``most_bytes``, None if it has more or is no regular file.

    A name in a folder of someone else's may be a link to an endless device or a pipe: neither is opened or waited for.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        return None
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)
    return content if len(content) <= most_bytes else None


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of writers that were killed; none may be writing into ``folder`` now.

    Raises
    ------
    OutputError
        If one cannot be removed.
    """
    try:
        for path in folder.iterdir():
            if is_leftover(path):
                path.unlink()
    except OSError as error:
        raise output_error(folder, error) from error


def is_leftover(path: Path) -> bool:
    """Return whether a file has the name of a temporary file of :func:`replacing`.

    Examples
    --------
    >>> is_leftover(Path("run/.config.json.k3_v0x2a.tmp")), is_leftover(Path("run/config.json"))
    (True, False)
    """
    return path.name.startswith(".") and path.suffix == ".tmp"
