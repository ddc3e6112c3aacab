"""Folders that are built once and shared by processes: complete or absent, and checked whenever they are opened."""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from sulsul.errors import OutputError
from sulsul.files import output_error, sync_folder, write_text_atomically

MANIFEST = "manifest.json"
Facts = dict[str, JsonValue]
Report = Callable[[str], object]
T = TypeVar("T")


class _FileEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    size_bytes: int
    sha256: str


class _Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    name: str
    files: dict[str, _FileEntry]
    facts: Facts


def cache_folder(cache_dir: Path | None = None) -> Path:
    """Return where things are kept: the argument, ``$SULSUL_CACHE``, ``$XDG_CACHE_HOME/sulsul`` or ``~/.cache/sulsul``.

    An empty variable counts as unset, and so does a relative ``$XDG_CACHE_HOME``, as its specification asks.
    """
    if cache_dir is not None:
        return cache_dir.expanduser()
    if given := os.environ.get("SULSUL_CACHE"):
        return Path(given).expanduser()
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "sulsul"


def corpora_folder(cache_dir: Path | None = None) -> Path:
    """Return where encoded corpora are kept."""
    return cache_folder(cache_dir) / "corpora"


def open_or_build(
    root: Path,
    name: str,
    *,
    build: Callable[[Path], Facts],
    load: Callable[[Path, Facts], T],
    report: Report = lambda message: None,
) -> T:
    """Return what ``load`` makes of the folder ``name``, which is built first if it is not there, whole and unaltered.

    Only one process builds; others wait for it. A folder that is incomplete, altered or of another make is replaced.

    Parameters
    ----------
    root
        Where the folders are; created when missing.
    build
        Writes the files into the folder it is given and returns what is to be remembered of them.
    load
        Opens the files. It runs while no other process may remove them.
    report
        Told what is waited for and what is built anew.

    Raises
    ------
    OutputError
        If the folder cannot be written; nothing is left behind then.
    """
    folder = root / name
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root / f".{name}.lock", lambda: report(f"waiting for another process that builds {folder}")):
            manifest = _verified(folder, name, report)
            return load(folder, manifest.facts if manifest else _build(root, name, build))
    except OSError as error:
        raise output_error(folder, error) from error


def _build(root: Path, name: str, build: Callable[[Path], Facts]) -> Facts:
    # Whoever holds the lock is the only one to build this: what else there is was left by a process that died.
    for leftover in [root / name, *root.glob(f".{name}.*.tmp")]:
        shutil.rmtree(leftover, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".tmp", dir=root))
    try:
        facts = build(temporary)
        files = {path.name: _entry(path, durable=True) for path in sorted(temporary.iterdir())}
        manifest = _Manifest(name=name, files=files, facts=facts)
        write_text_atomically(temporary / MANIFEST, manifest.model_dump_json(indent=1))
        temporary.replace(root / name)
        sync_folder(root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return facts


def _verified(folder: Path, name: str, report: Report) -> _Manifest | None:
    """Return the manifest of a folder in which every file is as it was written, else None and say why."""
    if not folder.exists():
        return None
    try:
        manifest = _Manifest.model_validate(json.loads((folder / MANIFEST).read_bytes()))
        altered = [file for file, entry in manifest.files.items() if _entry_or_none(folder / file, entry) != entry]
        why = f"{altered[0]} is missing or was altered" if altered else None
        why = why or (f"it is the folder of {manifest.name}" if manifest.name != name else None)
    except (OSError, ValueError, ValidationError, RecursionError):
        why = f"its {MANIFEST} cannot be read"
    if why is None:
        return manifest
    report(f"the cache {folder} is built anew: {why}")
    return None


def _entry_or_none(path: Path, expected: _FileEntry) -> _FileEntry | None:
    if not path.is_file() or path.stat().st_size != expected.size_bytes:
        return None
    return _entry(path)


def _entry(path: Path, *, durable: bool = False) -> _FileEntry:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if durable:
            os.fsync(file.fileno())
        return _FileEntry(size_bytes=os.fstat(file.fileno()).st_size, sha256=digest)


@contextmanager
def _locked(path: Path, on_wait: Callable[[], object], *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock; without ``wait`` raise BlockingIOError where another process holds it."""
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise
            on_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def cached_sizes(root: Path) -> dict[str, int]:
    """Return the size in bytes of every folder under ``root``, by name; those half built have a leading dot."""
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    return {folder.name: sum(file.stat().st_size for file in folder.iterdir()) for folder in folders}


def clear_cache(root: Path) -> tuple[dict[str, int], tuple[str, ...]]:
    """Remove every folder under ``root`` that no process is building; a corpus in use stays usable until it is closed.

    Returns
    -------
    removed
        Sizes in bytes by name.
    kept
        Names of folders that are being built or opened.

    Raises
    ------
    OutputError
        If something cannot be removed.
    """
    removed: dict[str, int] = {}
    kept: list[str] = []
    for name, size_bytes in cached_sizes(root).items():
        entry = name if not name.startswith(".") else name[1:].rsplit(".", 2)[0]
        try:
            with _locked(root / f".{entry}.lock", lambda: None, wait=False):
                shutil.rmtree(root / name)
            removed[name] = size_bytes
        except BlockingIOError:
            kept.append(name)
        except OSError as error:
            raise OutputError(f"{root / name} cannot be removed: {error.strerror}.") from error
    return removed, tuple(kept)
