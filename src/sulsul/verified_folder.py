"""A folder of files whose checksums stand in one of them, so that an altered file is noticed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors import safe_open as open_safetensors

from sulsul.errors import BundleError
from sulsul.files import read_bounded

if TYPE_CHECKING:
    from torch import Tensor


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
