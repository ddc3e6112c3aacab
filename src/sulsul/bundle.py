"""A trained classifier as a folder on disk: safetensors and JSON, never pickle.

``config.json`` is written last and lists the SHA-256 of every other file, so a folder with a ``config.json`` is
complete, and an altered file is noticed.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as arrays_of_safetensors
from safetensors.numpy import save as safetensors_bytes_of_arrays
from safetensors.torch import save as safetensors_bytes

import sulsul
from sulsul.ensemble import Ensemble
from sulsul.errors import BundleError, OutputError, SulsulError
from sulsul.evaluation.abstention import Abstention
from sulsul.evaluation.blending import Blend
from sulsul.evaluation.linear_classifier import LinearClassifier, LinearDescription
from sulsul.files import create_folder, write_atomically, write_text_atomically
from sulsul.model.classifier import Classifier
from sulsul.model.row_quantization import QuantizedRows, dequantize_rows, quantize_rows
from sulsul.specification import RunSpecification, describe_validation_error
from sulsul.text import LabelEncoder, Tokenizer
from sulsul.verified_folder import FileEntry, VerifiedFolder, read_listing

SCHEMA_VERSION = 3
"""The newest schema; a bundle says 2 only if it is more than one plain network or pretrained, and 3 only if its numbers
are kept in fewer bits, so that older versions read the others."""
MODEL_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "config.json"
LINEAR_FILE = "linear.safetensors"
_SCALE = ".scale"
# Sections of a specification that came with schema 2; where they say nothing they are not written.
_NEWER_SECTIONS = ("ensemble", "wide", "calibration", "pretraining")
# Arrays of the linear part that schema 3 keeps in 16 bits, and what they are read back as.
_COMPACT_LINEAR = {"idf": np.float64, "weights": np.float32}


class AnswerEntry(BaseModel):
    """What the answer consists of, where it is more than one plain network (schema 2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    members: int = Field(ge=1, le=100)
    linear: LinearDescription | None = None
    blend: Blend = Blend()
    abstention: Abstention | None = None


class CompactEntry(BaseModel):
    """Which numbers are kept in fewer bits (schema 3); they are read back as float32.

    Attributes
    ----------
    tables
        Parameters of every network that are kept as 8-bit rows, each with its scales under ``NAME.scale``.
    linear
        Whether weights and document frequencies of the linear part are kept in 16 bits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tables: tuple[str, ...] = ()
    linear: bool = False


class BundleConfig(BaseModel):
    """What ``config.json`` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int
    sulsul_version: str
    classes: tuple[str, ...] = Field(min_length=1)
    multi_label: bool
    vocabulary_size: int = Field(ge=1, le=2**31 - 1)
    specification: RunSpecification
    answer: AnswerEntry = AnswerEntry(members=1)
    compact: CompactEntry | None = None
    data: dict[str, JsonValue] = {}
    files: dict[str, FileEntry]


@dataclass(frozen=True)
class Bundle:
    """A trained classifier with everything needed to use it: weights, tokenizer, labels and how it was made."""

    ensemble: Ensemble
    tokenizer: Tokenizer
    labels: LabelEncoder
    specification: RunSpecification
    data: Mapping[str, JsonValue] = field(default_factory=dict)
    compact: CompactEntry | None = None

    @property
    def classifier(self) -> Classifier:
        """The first network: the only one, but for an ensemble."""
        return self.ensemble.first

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
        create_folder(folder)
        contents = {**self._contents(), **(extra_files or {})}
        for name, content in contents.items():
            write_atomically(folder / name, content)
        write_text_atomically(folder / CONFIG_FILE, self._config_json(contents))

    def digest(self) -> str:
        """Return the SHA-256, in hexadecimal, of all that decides the answers."""
        return hashlib.sha256(self._config_json(self._contents()).encode()).hexdigest()

    def _contents(self) -> dict[str, bytes]:
        contents = {
            MODEL_FILE: safetensors_bytes(_weights(self.ensemble.members, self.compact)),
            TOKENIZER_FILE: _tokenizer_json(self).encode("utf-8"),
        }
        if self.ensemble.linear is not None:
            arrays = self.ensemble.linear.arrays()
            if self.compact is not None and self.compact.linear:
                arrays |= {name: arrays[name].astype(np.float16) for name in _COMPACT_LINEAR}
            contents[LINEAR_FILE] = safetensors_bytes_of_arrays(arrays)
        return contents

    def _config_json(self, contents: Mapping[str, bytes]) -> str:
        config = BundleConfig(
            schema_version=_schema_version(self),
            sulsul_version=sulsul.__version__,
            classes=self.labels.classes,
            multi_label=self.labels.multi_label,
            vocabulary_size=self.tokenizer.vocabulary_size,
            specification=self.specification,
            answer=_answer_entry(self.ensemble),
            compact=self.compact,
            data=dict(self.data),
            files={name: FileEntry.of(content) for name, content in contents.items()},
        )
        return json.dumps(_as_json(config), ensure_ascii=False, indent=1)

    @classmethod
    def load(cls, folder: Path, *, backend: str | None = None) -> "Bundle":
        """Read a bundle, verifying every file it needs.

        Raises
        ------
        BundleError
            If the folder is not a bundle, a file is missing or altered, or the schema is newer than this version.
        """
        config = read_config(folder)
        files = VerifiedFolder(folder, CONFIG_FILE, config.files)
        tokenizer_json = files.text(TOKENIZER_FILE)
        specification = config.specification
        if backend is not None:
            specification = specification.with_overrides([f"training.backend={backend}"])
        try:
            tokenizer = Tokenizer.from_json(tokenizer_json, specification.text)
            labels = LabelEncoder(config.classes, multi_label=config.multi_label)
            members = _members(config, specification, files.tensors(MODEL_FILE))
            linear = _linear(files, config, members[0])
        except BundleError:
            raise
        except (SulsulError, ValueError) as error:
            raise BundleError(f"{folder} holds a bundle that cannot be used: {error}") from error
        if tokenizer.vocabulary_size != config.vocabulary_size:
            raise BundleError(
                f"{folder}: {TOKENIZER_FILE} has {tokenizer.vocabulary_size} ids, the model {config.vocabulary_size}."
            )
        ensemble = Ensemble(members, linear, config.answer.blend, config.answer.abstention)
        return cls(ensemble, tokenizer, labels, specification, config.data, config.compact)


def read_config(folder: Path) -> BundleConfig:
    """Read and validate ``config.json``; raises :class:`BundleError` as :meth:`Bundle.load` does."""
    path = folder / CONFIG_FILE
    try:
        values = read_listing(path, newest_schema=SCHEMA_VERSION, kind="a trained classifier")
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(_not_a_bundle(folder)) from None
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
    if (folder / "encoder.json").exists():
        return f"{folder} is a pretrained encoder, not a classifier: train one from it with --pretrained {folder}."
    return f"{folder} holds no {CONFIG_FILE}: not a trained classifier."


def _tokenizer_json(bundle: Bundle) -> str:
    """Return ``tokenizer.json``, without line breaks where every byte counts."""
    text = bundle.tokenizer.to_json()
    return text if bundle.compact is None else json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))


def _schema_version(bundle: Bundle) -> int:
    if bundle.compact is not None:
        return 3
    return 1 if bundle.ensemble.is_plain and not bundle.specification.pretraining.is_used else 2


def _answer_entry(ensemble: Ensemble) -> AnswerEntry:
    return AnswerEntry(
        members=len(ensemble.members),
        linear=None if ensemble.linear is None else ensemble.linear.description(),
        blend=ensemble.blend,
        abstention=ensemble.abstention,
    )


def _as_json(config: BundleConfig) -> dict[str, Any]:
    """Return what ``config.json`` holds; a plain network's has nothing that schema 1 does not know."""
    values = config.model_dump(mode="json")
    if config.schema_version == 1:
        del values["answer"]
    if config.compact is None:
        del values["compact"]
    for name in _NEWER_SECTIONS:
        if getattr(config.specification, name) == RunSpecification.model_fields[name].default:
            del values["specification"][name]
    return values


def _prefix(member: int, n_members: int) -> str:
    return "" if n_members == 1 else f"members.{member}."


def _weights(members: Sequence[Classifier], compact: CompactEntry | None) -> dict[str, torch.Tensor]:
    """Return the tensors of every member by name, under ``members.{i}.`` if there are several."""
    tables = () if compact is None else compact.tables
    weights: dict[str, torch.Tensor] = {}
    for index, member in enumerate(members):
        prefix = _prefix(index, len(members))
        for name, tensor in member.state_dict().items():
            if name in tables:
                codes, scales = quantize_rows(tensor)
                weights |= {f"{prefix}{name}": codes, f"{prefix}{name}{_SCALE}": scales}
            else:
                weights[f"{prefix}{name}"] = tensor.detach().contiguous()
    return weights


def _read_back(tensors: dict[str, torch.Tensor], tables: Sequence[str]) -> dict[str, torch.Tensor]:
    """Return one member's tensors with its 8-bit tables in float32."""
    found = dict(tensors)
    for name in tables:
        codes, scales = found.get(name), found.pop(f"{name}{_SCALE}", None)
        if codes is None or scales is None:
            raise BundleError(f"{MODEL_FILE}: parameter {name} or its scales are missing.")
        fits = codes.ndim == 2 and scales.shape == codes.shape[:1]
        if not fits or codes.dtype != torch.int8 or scales.dtype != torch.float32 or not bool(scales.isfinite().all()):
            raise BundleError(f"{MODEL_FILE}: parameter {name} is not rows of 8 bits with a finite scale each.")
        found[name] = dequantize_rows(QuantizedRows(codes, scales))
    return found


def _members(
    config: BundleConfig, specification: RunSpecification, tensors: Mapping[str, torch.Tensor]
) -> tuple[Classifier, ...]:
    n_members = config.answer.members
    prefixes = [_prefix(index, n_members) for index in range(n_members)]
    if n_members > 1 and (strange := [name for name in tensors if not name.startswith(tuple(prefixes))]):
        raise BundleError(f"{MODEL_FILE}: parameter {min(strange)} is not expected.")
    members = []
    for prefix in prefixes:
        own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        own = _read_back(own, () if config.compact is None else config.compact.tables)
        classifier = _shapeless_classifier(config, specification, own)
        classifier.load_state_dict(own, assign=True)
        members.append(classifier.eval())
    return tuple(members)


def _linear(files: VerifiedFolder, config: BundleConfig, network: Classifier) -> LinearClassifier | None:
    description = config.answer.linear
    if description is None:
        return None
    if description.multi_label != config.multi_label:
        raise BundleError(f"{files.folder / CONFIG_FILE}: the linear part is for another kind of labels.")
    content = files.content(LINEAR_FILE)
    try:
        arrays = arrays_of_safetensors(content)
    except SafetensorError as error:
        raise BundleError(f"{files.folder / LINEAR_FILE} is not a safetensors file: {error}.") from None
    if config.compact is not None and config.compact.linear:
        arrays |= {name: arrays[name].astype(dtype) for name, dtype in _COMPACT_LINEAR.items() if name in arrays}
    n_columns = network.n_classes if config.multi_label or network.n_classes > 2 else 1
    return LinearClassifier.from_arrays(description, arrays, n_columns=n_columns)


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
