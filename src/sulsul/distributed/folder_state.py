"""A folder's files as bytes, to be put elsewhere."""

from collections.abc import Mapping
from pathlib import Path

from sulsul.bundle import CONFIG_FILE
from sulsul.files import create_folder, is_leftover, write_atomically

Files = Mapping[str, bytes]


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder by its name, except what a killed writer left."""
    return {
        path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file() and not is_leftover(path)
    }


def write_folder(folder: Path, files: Files) -> None:
    """Make a folder's files these; at any moment it is one that can be read or resumed.

    Raises
    ------
    OutputError
        If one cannot be written.
    """
    create_folder(folder)
    for name in sorted(files, key=lambda name: name == CONFIG_FILE):  # it says that the others are complete
        path = folder / name
        if not (path.exists() and path.read_bytes() == files[name]):
            write_atomically(path, files[name])
    for path in folder.iterdir():
        if path.is_file() and path.name not in files:
            path.unlink()
