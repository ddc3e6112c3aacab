"""A pretrained encoder as a folder on disk: what a network reads a text with before it has seen a label.

It holds the input's table and the first recurrent layer, the tokenizer they belong to, the n-gram vectors of the linear
part, if any, and how they were made.
``encoder.json`` is written last and lists the SHA-256 of the other files.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from safetensors.numpy import save as safetensors_bytes_of_arrays
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

import sulsul
from sulsul.errors import BundleError, OutputError, SpecificationError, SulsulError
from sulsul.evaluation.ngram_vectors import NgramVectors, NgramVectorsDescription
from sulsul.files import create_folder, write_atomically, write_text_atomically
from sulsul.model.classifier import Classifier
from sulsul.model.specification import ModelSpecification, RecurrentLayer
from sulsul.specification import RunSpecification, describe_validation_error
from sulsul.text import Tokenizer
from sulsul.text.settings import TextSettings
from sulsul.verified_folder import FileEntry, VerifiedFolder, read_listing

ENCODER_FILE = "encoder.json"
WEIGHTS_FILE = "encoder.safetensors"
TOKENIZER_FILE = "tokenizer.json"
TEXTS_FILE = "texts.safetensors"
NGRAMS_FILE = "ngrams.safetensors"
# How a sequence is cut and padded says nothing about what its tokens mean.
_FREE_TEXT_SETTINGS = {"max_length", "truncate", "pad_to", "pad_side"}


class EncoderConfig(BaseModel):
    """What ``encoder.json`` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sulsul encoder"] = "sulsul encoder"
    schema_version: Literal[1, 2] = 1
    sulsul_version: str
    vocabulary_size: int = Field(ge=1, le=2**31 - 1)
    text: TextSettings
    model: ModelSpecification
    ngrams: NgramVectorsDescription | None = None
    provenance: dict[str, JsonValue] = {}
    files: dict[str, FileEntry]


@dataclass(frozen=True, eq=False)
class Encoder:
    """An input table and a recurrent layer learned from texts without labels, with their tokenizer.

    Attributes
    ----------
    tensors
        ``input.weight`` and, under ``recurrent.``, the parameters of the first recurrent layer by the names that
        :class:`sulsul.model.classifier.Classifier` gives them; empty where there are n-gram vectors alone.
    tokenizer
        Fitted on the same texts.
    model
        The network they were made for; only its input and its first recurrent layer matter.
    provenance
        Sources, numbers of texts and tokens, and how the pretraining went.
    digests : int64 (B,)
        :func:`text_digests` of the texts that were read, rising.
    ngrams
        For the linear part beside the networks.
    """

    tensors: Mapping[str, Tensor]
    tokenizer: Tokenizer
    model: ModelSpecification
    provenance: Mapping[str, JsonValue] = field(default_factory=dict)
    digests: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    ngrams: NgramVectors | None = None

    @property
    def has_network(self) -> bool:
        """Whether there is anything that a network starts from; otherwise there are n-gram vectors alone."""
        return bool(self.tensors)

    def save(self, folder: Path, *, extra_files: Mapping[str, bytes] | None = None) -> None:
        """Write the encoder into ``folder``, which is created when missing.

        Raises
        ------
        OutputError
            If the folder holds an encoder already, or cannot be written.
        """
        if (folder / ENCODER_FILE).exists():
            raise OutputError(f"{folder} already holds an encoder; choose another folder.")
        create_folder(folder)
        contents = {
            WEIGHTS_FILE: safetensors_bytes({name: t.detach().contiguous() for name, t in self.tensors.items()}),
            TOKENIZER_FILE: self.tokenizer.to_json().encode("utf-8"),
            TEXTS_FILE: safetensors_bytes({"digests": torch.from_numpy(self.digests)}),
            **({} if self.ngrams is None else {NGRAMS_FILE: safetensors_bytes_of_arrays(self.ngrams.arrays())}),
            **(extra_files or {}),
        }
        for name, content in contents.items():
            write_atomically(folder / name, content)
        config = EncoderConfig(
            schema_version=1 if self.ngrams is None else 2,
            sulsul_version=sulsul.__version__,
            vocabulary_size=self.tokenizer.vocabulary_size,
            text=self.tokenizer.settings,
            model=self.model,
            ngrams=None if self.ngrams is None else self.ngrams.description(),
            provenance=dict(self.provenance),
            files={name: FileEntry.of(content) for name, content in contents.items()},
        )
        text = json.dumps(config.model_dump(mode="json"), ensure_ascii=False, indent=1)
        write_text_atomically(folder / ENCODER_FILE, text)

    @classmethod
    def load(cls, folder: Path) -> "Encoder":
        """Read an encoder, verifying every file it needs.

        Raises
        ------
        BundleError
            If the folder is not an encoder, or a file is missing, altered or of another version.
        """
        config = read_encoder_config(folder)
        files = VerifiedFolder(folder, ENCODER_FILE, config.files)
        try:
            tokenizer = Tokenizer.from_json(files.text(TOKENIZER_FILE), config.text)
        except BundleError:
            raise
        except (SulsulError, ValueError) as error:
            raise BundleError(f"{folder} holds an encoder that cannot be used: {error}") from error
        tensors = files.tensors(WEIGHTS_FILE)
        if tokenizer.vocabulary_size != config.vocabulary_size:
            raise BundleError(
                f"{folder}: {TOKENIZER_FILE} has {tokenizer.vocabulary_size} ids, the encoder {config.vocabulary_size}."
            )
        digests = files.tensors(TEXTS_FILE).get("digests")
        if digests is None or digests.dtype != torch.int64 or digests.ndim != 1:
            raise BundleError(f"{folder / TEXTS_FILE} does not hold the digests of texts.")
        ngrams = _ngrams(files, config)
        return cls(tensors, tokenizer, config.model, config.provenance, digests.numpy(), ngrams)

    def was_read(self, texts: Iterable[str]) -> npt.NDArray[np.bool_]:
        """Return which texts were among those that it was pretrained on (B,)."""
        read: npt.NDArray[np.bool_] = np.isin(text_digests(texts), self.digests)
        return read

    def tokenizer_for(self, settings: TextSettings) -> Tokenizer:
        """Return the tokenizer with the lengths and padding of ``settings``.

        Raises
        ------
        SpecificationError
            If anything else differs from what the encoder was made with.
        """
        then, now = self.tokenizer.settings.model_dump(mode="json"), settings.model_dump(mode="json")
        changed = {key: then[key] for key in then if then[key] != now[key] and key not in _FREE_TEXT_SETTINGS}
        if changed:
            raise _mismatch({f"text.{key}": (value, now[key]) for key, value in changed.items()})
        return Tokenizer.from_json(self.tokenizer.to_json(), settings)

    def copy_into(self, classifier: Classifier, *, table_only: bool = False) -> None:
        """Give a classifier the encoder's weights; with ``table_only`` its recurrent layer keeps its own.

        Otherwise its output begins at zero: the states of a language model are large, and random weights behind them
        would answer with confidence, and undo the encoder, before they have learned anything (Kumar et al. 2022,
        "Fine-tuning can distort pretrained features and underperform out-of-distribution").

        Raises
        ------
        SpecificationError
            If its input or first recurrent layer is another one than the encoder was made for.
        """
        check_same_encoder(self.model, classifier.specification)
        own = encoder_tensors(classifier)
        for name in sorted(own.keys() ^ self.tensors.keys()):
            raise BundleError(f"{WEIGHTS_FILE}: {name} is {'missing' if name in own else 'not expected'}.")
        with torch.no_grad():
            for name, tensor in own.items():
                if table_only and not name.startswith("input."):
                    continue
                given = self.tensors[name]
                if given.shape != tensor.shape or given.dtype != tensor.dtype:
                    raise BundleError(
                        f"{WEIGHTS_FILE}: {name} is {tuple(given.shape)} {given.dtype}, but the specification makes it "
                        f"{tuple(tensor.shape)} {tensor.dtype}."
                    )
                tensor.copy_(given)
            if not table_only:
                for parameter in classifier.output.parameters():
                    parameter.zero_()


def text_digests(texts: Iterable[str]) -> npt.NDArray[np.int64]:
    """Return 64 bits of the BLAKE2b hash of each text (B,)."""
    digests = (hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), "<i8").astype(np.int64)


def encoder_tensors(classifier: Classifier) -> dict[str, Tensor]:
    """Return the parameters of a classifier that an encoder holds, by the names they have there.

    Raises
    ------
    SpecificationError
        As :func:`first_recurrent_layer` does.
    """
    first = f"layers.{first_recurrent_layer(classifier.specification)}."
    return {
        f"recurrent.{name.removeprefix(first)}" if name.startswith(first) else name: parameter
        for name, parameter in classifier.named_parameters()
        if name.startswith(("input.", first))
    }


def first_recurrent_layer(model: ModelSpecification) -> int:
    """Return the position of the first recurrent layer among the sequence layers.

    Raises
    ------
    SpecificationError
        If there is none, a batch normalisation stands before it, or the input has no table.
    """
    if model.input.kind not in {"embedding", "summed-embedding"}:
        raise SpecificationError(
            f"pretraining learns a table of vectors, which model.input '{model.input.kind}' has not; set "
            "model.input.kind=embedding or summed-embedding."
        )
    for position, layer in enumerate(model.layers):
        if isinstance(layer, RecurrentLayer):
            return position
        if layer.kind == "batch-norm":
            break
    raise SpecificationError(
        "pretraining needs a recurrent layer right behind the input (a dropout may stand between); set model.layers."
    )


def check_same_encoder(encoder: ModelSpecification, model: ModelSpecification) -> None:
    """Refuse a network whose input or first recurrent layer is another one than the encoder's.

    Raises
    ------
    SpecificationError
        Naming what differs.
    """
    differing: dict[str, tuple[Any, Any]] = {}
    for key in ("kind", "size"):
        then, now = getattr(encoder.input, key), getattr(model.input, key, None)
        if then != now:
            differing[f"model.input.{key}"] = (then, now)
    position = first_recurrent_layer(model)
    then_layer = encoder.layers[first_recurrent_layer(encoder)].model_dump()
    now_layer = model.layers[position].model_dump()
    for key, value in then_layer.items():
        if now_layer[key] != value:
            differing[f"model.layers.{position}.{key}"] = (value, now_layer[key])
    if differing:
        raise _mismatch(differing)


def load_encoder(specification: RunSpecification) -> Encoder | None:
    """Return the encoder that a specification starts from, if it names one.

    Raises
    ------
    BundleError
        If it cannot be read.
    SpecificationError
        If it was made with other settings, or has not what ``pretraining.transfer`` takes.
    """
    if specification.pretraining.encoder is None:
        return None
    return read_encoder(Path(specification.pretraining.encoder), specification)


def read_encoder(folder: Path, specification: RunSpecification) -> Encoder:
    """Return of an encoder what a run takes; raises as :func:`load_encoder` does."""
    encoder = Encoder.load(folder)
    if specification.pretraining.transfer == "ngrams":
        if encoder.ngrams is None:
            raise SpecificationError(
                f"{folder} has no n-gram vectors to take (pretraining.transfer=ngrams); pretrain anew, with "
                "wide.kind=linear and pretraining.ngram_vectors above 0."
            )
        return replace(encoder, tensors={})
    if not encoder.has_network:
        raise SpecificationError(
            f"{folder} has n-gram vectors alone: take them with --set pretraining.transfer=ngrams, or pretrain anew."
        )
    check_same_encoder(encoder.model, specification.model)
    return encoder


def read_encoder_config(folder: Path) -> EncoderConfig:
    """Read and validate ``encoder.json``; raises :class:`BundleError` as :meth:`Encoder.load` does."""
    path = folder / ENCODER_FILE
    try:
        values = read_listing(path, newest_schema=2, kind="a pretrained encoder")
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(_not_an_encoder(folder)) from None
    try:
        return EncoderConfig.model_validate(values)
    except ValidationError as error:
        raise BundleError(f"{path}: {describe_validation_error(error)}") from None


def _ngrams(files: VerifiedFolder, config: EncoderConfig) -> NgramVectors | None:
    if config.ngrams is None:
        return None
    arrays = {name: tensor.numpy() for name, tensor in files.tensors(NGRAMS_FILE).items()}
    return NgramVectors.from_arrays(config.ngrams, arrays)


def _not_an_encoder(folder: Path) -> str:
    if not folder.exists():
        return f"{folder} does not exist; `sulsul pretrain FILE -o {folder}` makes an encoder."
    if (folder / "config.json").exists():
        return f"{folder} is a trained classifier, not an encoder; `sulsul pretrain` makes one."
    if (folder / "checkpoint.safetensors").exists():
        return f"{folder} is a pretraining that did not finish: repeat its command with --resume."
    return f"{folder} holds no {ENCODER_FILE}: not a pretrained encoder."


def _mismatch(differing: Mapping[str, tuple[Any, Any]]) -> SpecificationError:
    said = "; ".join(f"{key} was {then!r} and is now {now!r}" for key, (then, now) in differing.items())
    options = " ".join(f"--set {key}={json.dumps(then)}" for key, (then, _) in differing.items() if then is not None)
    return SpecificationError(
        f"the encoder was pretrained with other settings: {said}. Repeat them{f' ({options})' if options else ''}, "
        "or pretrain anew with the ones you want."
    )
