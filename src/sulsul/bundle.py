"""A trained classifier as a folder on disk: safetensors and JSON, never pickle.

``config.json`` is written last and lists the SHA-256 of every other file, so a folder with a ``config.json`` is
complete, and an altered file is noticed.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from safetensors import SafetensorError
from safetensors import safe_open as open_safetensors
from safetensors.torch import save as safetensors_bytes

import sulsul
from sulsul.errors import BundleError, OutputError, SulsulError
from sulsul.files import output_error, write_atomically, write_text_atomically
from sulsul.model.classifier import Classifier
from sulsul.specification import RunSpecification, describe_validation_error
from sulsul.text import LabelEncoder, Tokenizer

SCHEMA_VERSION = 1
MODEL_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "config.json"
_LARGEST_CONFIG_BYTES = 64 * 2**20


class FileEntry(BaseModel):
    """Size and checksum of one file of the bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0)


class BundleConfig(BaseModel):
    """What ``config.json`` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int
    sulsul_version: str
    classes: tuple[str, ...] = Field(min_length=1)
    multi_label: bool
    vocabulary_size: int = Field(ge=1, le=2**31 - 1)
    specification: RunSpecification
    data: dict[str, JsonValue] = {}
    files: dict[str, FileEntry]


@dataclass(frozen=True)
class Bundle:
    """A trained classifier with everything needed to use it: weights, tokenizer, labels and how it was made."""

    classifier: Classifier
    tokenizer: Tokenizer
    labels: LabelEncoder
    specification: RunSpecification
    data: Mapping[str, JsonValue] = field(default_factory=dict)

    def save(self, folder: Path, *, extra_files: Mapping[str, bytes] | None = None) -> None:
        """Write the bundle into ``folder``, which is created when missing.

        Parameters
        ----------
        folder
            Where to write; it must not hold a complete bundle already.
        extra_files
            Further files of the bundle by name, such as ``report.html``.

        Raises
        ------
        OutputError
            If the folder holds a bundle, or cannot be written. ``config.json`` is then absent.
        """
        if (folder / CONFIG_FILE).exists():
            raise OutputError(f"{folder} already holds a classifier; choose another folder.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(folder, error) from error
        contents = {
            MODEL_FILE: safetensors_bytes(
                {name: tensor.detach().contiguous() for name, tensor in self.classifier.state_dict().items()}
            ),
            TOKENIZER_FILE: self.tokenizer.to_json().encode("utf-8"),
            **(extra_files or {}),
        }
        for name, content in contents.items():
            write_atomically(folder / name, content)
        config = BundleConfig(
            schema_version=SCHEMA_VERSION,
            sulsul_version=sulsul.__version__,
            classes=self.labels.classes,
            multi_label=self.labels.multi_label,
            vocabulary_size=self.tokenizer.vocabulary_size,
            specification=self.specification,
            data=dict(self.data),
            files={
                name: FileEntry(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
                for name, content in contents.items()
            },
        )
        text = json.dumps(config.model_dump(mode="json"), ensure_ascii=False, indent=1)
        write_text_atomically(folder / CONFIG_FILE, text)

    @classmethod
    def load(cls, folder: Path, *, backend: str | None = None) -> "Bundle":
        """Read a bundle, verifying every file it needs.

        Raises
        ------
        BundleError
            If the folder is not a bundle, a file is missing or altered, or the schema is newer than this version.
        """
        config = read_config(folder)
        tokenizer_json = _verified_bytes(folder, TOKENIZER_FILE, config).decode("utf-8")
        specification = config.specification
        if backend is not None:
            specification = specification.with_overrides([f"training.backend={backend}"])
        try:
            tokenizer = Tokenizer.from_json(tokenizer_json, specification.text)
            labels = LabelEncoder(config.classes, multi_label=config.multi_label)
            tensors = _verified_tensors(folder, config)
            classifier = _shapeless_classifier(config, specification, tensors)
        except BundleError:
            raise
        except (SulsulError, ValueError) as error:
            raise BundleError(f"{folder} holds a bundle that cannot be used: {error}") from error
        if tokenizer.vocabulary_size != config.vocabulary_size:
            raise BundleError(
                f"{folder}: {TOKENIZER_FILE} has {tokenizer.vocabulary_size} ids, the model {config.vocabulary_size}."
            )
        classifier.load_state_dict(tensors, assign=True)
        classifier.eval()
        return cls(classifier, tokenizer, labels, specification, config.data)


def read_config(folder: Path) -> BundleConfig:
    """Read and validate ``config.json``; raises :class:`BundleError` as :meth:`Bundle.load` does."""
    path = folder / CONFIG_FILE
    try:
        if path.stat().st_size > _LARGEST_CONFIG_BYTES:
            raise BundleError(f"{path} is larger than {_LARGEST_CONFIG_BYTES} bytes: not a bundle's.")
        values = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(_not_a_bundle(folder)) from None
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BundleError(f"{path} is not JSON: {error}.") from None
    version = values.get("schema_version") if isinstance(values, dict) else None
    if not isinstance(version, int):
        raise BundleError(f"{path} has no schema_version: not a bundle's.")
    if version > SCHEMA_VERSION:
        raise BundleError(
            f"{folder} was written by sulsul {values.get('sulsul_version', '?')} (schema {version}); this is "
            f"{sulsul.__version__} (schema {SCHEMA_VERSION}). Install a newer sulsul to read it."
        )
    try:
        return BundleConfig.model_validate(values)
    except ValidationError as error:
        raise BundleError(f"{path}: {describe_validation_error(error)}") from None


def _not_a_bundle(folder: Path) -> str:
    if not folder.exists():
        return f"{folder} does not exist."
    if not folder.is_dir():
        return f"{folder} is a file; a trained classifier is a folder."
    if (folder / "checkpoint.safetensors").exists():
        return f"{folder} is a run that did not finish: repeat its train command with --resume."
    return f"{folder} holds no {CONFIG_FILE}: not a trained classifier."


def _verified_bytes(folder: Path, name: str, config: BundleConfig) -> bytes:
    entry = config.files.get(name)
    if entry is None:
        raise BundleError(f"{folder / CONFIG_FILE} does not list {name}.")
    try:
        content = (folder / name).read_bytes()
    except FileNotFoundError:
        raise BundleError(f"{folder / name} is missing; restore the folder from where it was saved.") from None
    except OSError as error:
        raise BundleError(f"{folder / name} cannot be read: {error.strerror}.") from None
    if len(content) != entry.size_bytes or hashlib.sha256(content).hexdigest() != entry.sha256:
        raise BundleError(f"{folder / name} was altered after it was saved (its SHA-256 differs from {CONFIG_FILE}).")
    return content


def _verified_tensors(folder: Path, config: BundleConfig) -> dict[str, torch.Tensor]:
    _verified_bytes(folder, MODEL_FILE, config)
    try:
        with open_safetensors(folder / MODEL_FILE, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{folder / MODEL_FILE} is not a safetensors file: {error}.") from None


def _shapeless_classifier(
    config: BundleConfig, specification: RunSpecification, tensors: Mapping[str, torch.Tensor]
) -> Classifier:
    """Build the classifier without memory for its weights, and see that the file's weights have its shapes.

    So memory is bounded by the file, whatever sizes ``config.json`` claims, and no initial weights are drawn.
    """
    with torch.device("meta"):
        classifier = Classifier(
            specification.model,
            vocabulary_size=config.vocabulary_size,
            n_classes=len(config.classes),
            multi_label=config.multi_label,
            pad_to=specification.text.pad_to,
            backend=specification.training.backend,
        )
    expected = classifier.state_dict()
    for name in sorted(expected.keys() ^ tensors.keys()):
        raise BundleError(f"{MODEL_FILE}: parameter {name} is {'missing' if name in expected else 'not expected'}.")
    for name, tensor in expected.items():
        if tensor.shape != tensors[name].shape or tensor.dtype != tensors[name].dtype:
            raise BundleError(
                f"{MODEL_FILE}: parameter {name} is {tuple(tensors[name].shape)} {tensors[name].dtype}, but the "
                f"specification makes it {tuple(tensor.shape)} {tensor.dtype}."
            )
    return classifier


def rows_digest(rows: np.ndarray[Any, np.dtype[np.int64]]) -> str:
    """Return the SHA-256 of row indices: the proof of which rows something was fitted on."""
    return hashlib.sha256(np.ascontiguousarray(rows, dtype="<i8").tobytes()).hexdigest()
