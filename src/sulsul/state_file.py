"""A header and groups of tensors in one safetensors file: what a stopped computation needs to go on.

The header is JSON in the file's metadata, so that one rename replaces the old state by the new one, whole. There is no
pickle in it.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors import safe_open as open_safetensors

from sulsul.errors import BundleError
from sulsul.files import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

Header = TypeVar("Header", bound=BaseModel)


def write_state(path: Path, key: str, header: BaseModel, groups: "Mapping[str, Mapping[str, Tensor]]") -> None:
    """Write the state in place of an old one, atomically.

    Parameters
    ----------
    path
        The file.
    key
        Under which the header stands in the metadata.
    header
        Everything that is not a tensor.
    groups
        Tensors by group and name; a group's name has no dot.

    Raises
    ------
    OutputError
        If it cannot be written; the old state is untouched.
    """
    from safetensors.torch import save

    tensors = {
        f"{group}.{name}": tensor.detach().contiguous()
        for group, named in groups.items()
        for name, tensor in named.items()
    }
    # json, not pydantic's writer: it keeps every float to the bit, infinities included.
    write_atomically(path, save(tensors, {key: json.dumps(header.model_dump(), ensure_ascii=False)}))


def read_state(
    path: Path, key: str, header: type[Header], groups: Sequence[str], *, otherwise: str
) -> "tuple[Header, dict[str, dict[str, Tensor]]]":
    """Return header and tensors, by group and name, of a file of :func:`write_state`.

    Parameters
    ----------
    path, key
        As for :func:`write_state`.
    header
        What the header must be.
    groups
        The groups that there may be.
    otherwise
        What an unusable file is not, and what to do then, with ``{reason}`` for why.

    Raises
    ------
    BundleError
        If the file is missing, damaged, or holds something else.
    """
    found: dict[str, dict[str, Tensor]] = {group: {} for group in groups}
    try:
        with open_safetensors(path, framework="pt") as file:
            metadata = file.metadata() or {}
            for name in file.keys():  # noqa: SIM118 (not a mapping)
                group, _, rest = name.partition(".")
                found[group][rest] = file.get_tensor(name)
        return header.model_validate(json.loads(metadata[key])), found
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (SafetensorError, KeyError, ValidationError, ValueError) as error:
        raise BundleError(f"{path} {otherwise.format(reason=str(error).splitlines()[0])}") from None
