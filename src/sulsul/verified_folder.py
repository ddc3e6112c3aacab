"""A folder of files whose checksums stand in one of them, so that an altered file is noticed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors import safe_open as open_safetensors

from sulsul import __version__
from sulsul.errors import BundleError
from sulsul.files import read_bounded

if TYPE_CHECKING:
    from torch import Tensor


_LARGEST_LISTING_BYTES = 64 * 2**20


class FileEntry(BaseModel):
    """Size and checksum of one file of the folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0)

    @classmethod
    def of(cls, content: bytes) -> "FileEntry":
        """Return the entry of a file with this content."""
        return cls(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


@dataclass(frozen=True)
class VerifiedFolder:
    """Reads files only if they are as they were saved.

    Attributes
    ----------
    folder
        Where the files are.
    listing
        Name of the file that lists them, for messages.
    files
        The entry of each file by name.
    """

    folder: Path
    listing: str
    files: Mapping[str, FileEntry]

    def content(self, name: str) -> bytes:
        """Return the content of a file.

        Raises
        ------
        BundleError
            If it is not listed, missing, unreadable, or another than was saved.
        """
        path, entry = self.folder / name, self.files.get(name)
        if entry is None:
            raise BundleError(f"{self.folder / self.listing} does not list {name}.")
        try:
            content = read_bounded(path, entry.size_bytes)
        except FileNotFoundError:
            raise BundleError(f"{path} is missing; restore the folder from where it was saved.") from None
        except OSError as error:
            raise BundleError(f"{path} cannot be read: {error.strerror}.") from None
        if content is None or FileEntry.of(content) != entry:
            raise BundleError(f"{path} was altered after it was saved (its SHA-256 differs from {self.listing}).")
        return content

    def text(self, name: str) -> str:
        """Return a UTF-8 file; raises as :meth:`content` does, and if it is not UTF-8."""
        try:
            return self.content(name).decode("utf-8")
        except UnicodeDecodeError as error:
            raise BundleError(f"{self.folder / name} is not UTF-8 (byte {error.start}): not a bundle's.") from None

    def tensors(self, name: str) -> "dict[str, Tensor]":
        """Return the tensors of a safetensors file; raises as :meth:`content` does, and if it is none."""
        self.content(name)
        try:
            with open_safetensors(self.folder / name, framework="pt") as file:
                return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise BundleError(f"{self.folder / name} is not a safetensors file: {error}.") from None


def read_listing(path: Path, *, newest_schema: int, kind: str) -> dict[str, Any]:
    """Return the JSON object that lists the files of a folder, of a schema that this version knows.

    Parameters
    ----------
    path
        The file.
    newest_schema
        The newest ``schema_version`` that can be read.
    kind
        What the folder would be, for messages.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such file.
    BundleError
        If it is unreadable, too large, no JSON object with a schema version, or of a newer schema.
    """
    try:
        content = read_bounded(path, _LARGEST_LISTING_BYTES)
        if content is None:
            raise BundleError(
                f"{path} is larger than {_LARGEST_LISTING_BYTES} bytes or no plain file: not that of {kind}."
            )
        values = json.loads(content)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BundleError(f"{path} is not JSON: {error}.") from None
    version = values.get("schema_version") if isinstance(values, dict) else None
    if not isinstance(version, int):
        raise BundleError(f"{path} has no schema_version: not that of {kind}.")
    if version > newest_schema:
        raise BundleError(
            f"{path.parent} was written by sulsul {values.get('sulsul_version', '?')} ({kind}, schema {version}); this "
            f"is {__version__} (schema {newest_schema}). Install a newer sulsul to read it."
        )
    return dict(values)
