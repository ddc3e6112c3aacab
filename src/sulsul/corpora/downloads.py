"""Fetching a file over HTTP: resumed where it broke off, checked, and in place only when whole."""

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sulsul.errors import DatasetError
from sulsul.files import output_error, sync_folder

_BLOCK_BYTES = 1 << 18
_TIMEOUT_S = 30.0
_ATTEMPTS = 5
_FIRST_PAUSE_S = 1.0
# A server without the announced length must not fill the disk.
_LARGEST_BYTES = 4 << 30
_WORTH_REPEATING = {408, 425, 429, 500, 502, 503, 504}

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch: ``sha256`` (hex) and ``size_bytes`` are None where nobody has published them."""

    url: str
    name: str
    sha256: str | None = None
    size_bytes: int | None = None


def download(
    file: RemoteFile, folder: Path, *, progress: Progress | None = None, first_pause_s: float = _FIRST_PAUSE_S
) -> Path:
    """Fetch a file into a folder and return its path; a whole and correct file already there is kept.

    What arrives goes to ``NAME.part`` and is continued from there after a broken connection or in a later call, as
    long as the server says that the file is still the same. A broken connection is tried again with growing pauses.

    Parameters
    ----------
    file
        What to fetch.
    folder
        An existing folder.
    progress
        Called as ``progress(name, bytes so far, bytes in all or None)``.
    first_pause_s
        Seconds before the second attempt; doubled before each further one.

    Raises
    ------
    DatasetError
        If the server refuses, cannot be reached, keeps breaking off, or the content does not match the checksum.
    OutputError
        If the folder cannot be written or the disk is full.
    """
    path, part = folder / file.name, folder / f"{file.name}.part"
    _require_http(file.url)
    try:
        if path.exists() and _matches(path, file):
            return path
        resumed = part.exists()
        _fetch(file, part, progress, first_pause_s)
        if not _matches(part, file) and resumed:
            # The kept beginning may have been of another version of the file.
            _forget(part)
            _fetch(file, part, progress, first_pause_s)
        if not _matches(part, file):
            found = sha256_of(part)
            size = part.stat().st_size
            _forget(part)
            raise DatasetError(
                f"{file.url}: the checksum does not match (sha256 {found}, {size} bytes; expected {file.sha256}). "
                "The download was removed. Try again; if it stays so, the publisher has changed the file."
            )
        _marker(part).unlink(missing_ok=True)
        part.replace(path)
        sync_folder(folder)
    except OSError as error:
        raise output_error(part, error) from error
    return path


def sha256_of(path: Path) -> str:
    """Return the sha256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(file: RemoteFile, part: Path, progress: Progress | None, first_pause_s: float) -> None:
    """Fetch until the part is whole; attempts count anew whenever something arrived."""
    failures, pause_s = 0, first_pause_s
    while True:
        before = _size(part)
        try:
            _attempt(file, part, progress)
        except _BrokenOffError as error:
            failures = 1 if _size(part) > before else failures + 1
            if failures >= _ATTEMPTS:
                raise DatasetError(
                    f"{file.url}: {error} after {failures} attempts. The {_size(part)} bytes that arrived are kept; "
                    "repeat the command to continue."
                ) from error
            pause_s = first_pause_s if failures == 1 else pause_s * 2
            time.sleep(pause_s)
        else:
            return


class _BrokenOffError(Exception):
    """The connection broke; another attempt may help."""


def _attempt(file: RemoteFile, part: Path, progress: Progress | None) -> None:
    start = _size(part)
    if file.size_bytes is not None and start > file.size_bytes:
        _forget(part)
        start = 0
    if start and start == file.size_bytes:
        return
    with _open(file, part, start) as response:
        continued = response.status == 206 and _content_start(response) == start
        if response.status == 206 and not continued:
            _forget(part)
            raise _BrokenOffError("the server sent another range than the one asked for")
        length = response.headers.get("Content-Length")
        done = start if continued else 0
        total = done + int(length) if length is not None and length.isdigit() else file.size_bytes
        if not continued:
            _marker(part).write_text(_version_of(response))
        with part.open("ab" if continued else "wb") as output:
            done = _copy(response, output, file.name, done, total, progress)
            output.flush()
            os.fsync(output.fileno())
    if total is not None and done < total:
        raise _BrokenOffError(f"the connection broke off at byte {done} of {total}")


def _copy(
    response: http.client.HTTPResponse,
    output: BinaryIO,
    name: str,
    done: int,
    total: int | None,
    progress: Progress | None,
) -> int:
    while True:
        try:
            block = response.read(_BLOCK_BYTES)
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            raise _BrokenOffError(f"the connection broke off ({error or type(error).__name__})") from error
        if not block:
            return done
        output.write(block)
        done += len(block)
        if done > _LARGEST_BYTES:
            raise DatasetError(f"{name}: more than {_LARGEST_BYTES} bytes arrived; this cannot be the data set.")
        if progress is not None:
            progress(name, done, total)


@contextmanager
def _open(file: RemoteFile, part: Path, start: int) -> Iterator[http.client.HTTPResponse]:
    """Ask for the file from byte ``start`` on, provided that it is still the version the part was begun with."""
    request = urllib.request.Request(file.url, headers={"User-Agent": "sulsul", "Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
        if version := _marker(part).read_text() if _marker(part).exists() else "":
            request.add_header("If-Range", version)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            yield response
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:
            _forget(part)
            raise _BrokenOffError("the server has fewer bytes than were kept") from error
        if error.code in _WORTH_REPEATING:
            raise _BrokenOffError(f"the server answered {error.code} {error.reason}") from error
        raise DatasetError(
            f"{file.url}: the server answered {error.code} {error.reason}. The publisher may have moved the file."
        ) from error
    except urllib.error.URLError as error:
        raise _BrokenOffError(f"the server cannot be reached ({error.reason})") from error
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _BrokenOffError(f"the connection broke off ({error or type(error).__name__})") from error


def _version_of(response: http.client.HTTPResponse) -> str:
    """Return what If-Range may name: a strong ETag or the date of the last change."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _content_start(response: http.client.HTTPResponse) -> int | None:
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    first = rest.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdigit() else None


def _matches(path: Path, file: RemoteFile) -> bool:
    if file.size_bytes is not None and path.stat().st_size != file.size_bytes:
        return False
    return file.sha256 is None or sha256_of(path) == file.sha256


def _require_http(url: str) -> None:
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise DatasetError(f"{url}: only http and https addresses are fetched.")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _marker(part: Path) -> Path:
    return part.with_name(part.name + ".version")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _marker(part).unlink(missing_ok=True)
