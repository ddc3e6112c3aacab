"""Importing a Keras model file as a bundle."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from sulsul.bundle import CONFIG_FILE, Bundle
from sulsul.ensemble import Ensemble
from sulsul.errors import BundleError, OutputError, SulsulError, UsageError
from sulsul.importing.comparison import Comparison, compare_with_keras
from sulsul.importing.network import ImportedNetwork, read_network
from sulsul.importing.vocabulary import Arrangement, ids_tokenizer, read_vocabulary
from sulsul.keras_files.description import read_description
from sulsul.keras_files.model_file import read_keras_model
from sulsul.keras_files.stack import read_stack
from sulsul.keras_files.weights import open_weights
from sulsul.model.classifier import Classifier
from sulsul.specification import RunSpecification
from sulsul.text import LabelEncoder, Tokenizer


@dataclass(frozen=True)
class ImportReport:
    """What was imported.

    Attributes
    ----------
    bundle
        The classifier, written to ``folder``.
    comparison
        How near its logits are to those of Keras.
    notes
        What a user must know: how texts are read, what was guessed, what is not the same.
    """

    folder: Path
    bundle: Bundle
    comparison: Comparison
    notes: tuple[str, ...]


def import_keras(
    path: Path | str,
    folder: Path | str,
    *,
    vocabulary: Path | str | None = None,
    classes: Sequence[str] | None = None,
    pad_to: int | None = None,
    pad_side: Literal["before", "after"] = "before",
    truncate: Literal["front", "back"] = "front",
) -> ImportReport:
    """Read a ``.keras`` or ``.h5`` file, compare its logits with Keras's where that is installed, and write a bundle.

    Parameters
    ----------
    path
        The model file. Nothing that it holds is run.
    folder
        Where to write the bundle.
    vocabulary
        File with its words; see :func:`sulsul.importing.vocabulary.read_vocabulary`. Without one the classifier reads
        token ids in figures, as an ``.npz`` of integer sequences gives them.
    classes
        Names of the classes in the order of the output's units; ``0``, ``1``, … by default. Of one sigmoid unit the
        second is the one whose probability it gives.
    pad_to
        Length to which the notebook padded, where the file does not say and padding is not masked.
    pad_side, truncate
        Where the notebook padded and cut its sequences.

    Raises
    ------
    BundleError
        If the file is malformed, asks for something to be run, or has a layer that cannot be expressed; or if the
        logits differ.
    DataError
        If the vocabulary cannot be read or does not fit.
    UsageError
        If h5py is missing, the number of classes is wrong, or ``pad_to`` has no meaning here.
    OutputError
        If the folder holds a classifier already or cannot be written.
    """
    path, folder = Path(path), Path(folder)
    if (folder / CONFIG_FILE).exists():
        raise OutputError(f"{folder} already holds a classifier; choose another folder.")
    description = read_description(path)
    model = read_keras_model(path)
    with open_weights(path, description) as weights:
        network = read_network(read_stack(description, str(path)), model, weights, str(path))
    arrangement = _arrangement(network, pad_to, pad_side, truncate, with_vocabulary=vocabulary is not None)
    tokenizer, fitted, notes = _tokenizer(network, vocabulary, arrangement)
    bundle = _bundle(path, fitted, tokenizer, _labels(fitted, classes))
    comparison = compare_with_keras(path, description, fitted, bundle)
    bundle.save(folder)
    return ImportReport(folder, bundle, comparison, (*network.notes, *notes))


def _arrangement(
    network: ImportedNetwork,
    pad_to: int | None,
    pad_side: Literal["before", "after"],
    truncate: Literal["front", "back"],
    *,
    with_vocabulary: bool,
) -> Arrangement:
    if pad_to is not None and (network.masked or not with_vocabulary):
        raise UsageError(
            "--pad-to: this model masks padding, so that it makes no difference; leave it out."
            if network.masked
            else "--pad-to needs --vocabulary; without one, sequences of ids are read as they are: pad them beforehand."
        )
    if pad_to is not None and network.timesteps not in (None, pad_to):
        raise UsageError(f"--pad-to {pad_to}: the file says that texts have {network.timesteps} timesteps.")
    length = pad_to or network.timesteps
    return Arrangement(length, None if network.masked else length, pad_side, truncate)


def _tokenizer(
    network: ImportedNetwork, vocabulary: Path | str | None, arrangement: Arrangement
) -> tuple[Tokenizer, ImportedNetwork, list[str]]:
    """Return the tokenizer, the network with as many ids, and what to say about both."""
    zero = "id 0 is masked: left out" if network.masked else "id 0 is read like any other id, as in Keras: pad alike"
    if vocabulary is None:
        note = (
            f"no vocabulary was given: texts are token ids from 0 to {network.vocabulary_size - 1} in figures ({zero})"
        )
        return ids_tokenizer(network.vocabulary_size, masked=network.masked), network, [note]
    found = read_vocabulary(Path(vocabulary), network.vocabulary_size)
    tokenizer = found.tokenizer(arrangement)
    notes = [found.described]
    if arrangement.pad_to is not None:
        notes.append(
            f"padding is not masked in this model: texts are cut at the {arrangement.truncate} and padded "
            f"{arrangement.pad_side} to {arrangement.pad_to} tokens (--truncate, --pad-side)"
        )
    elif arrangement.max_length is not None:
        notes.append(f"texts are cut at the {arrangement.truncate} to {arrangement.max_length} tokens (--truncate)")
    elif not network.masked:
        notes.append(
            "padding is not masked, and the file does not say to what length texts were padded: they are read "
            "as they are. If the notebook padded them, give --pad-to N"
        )
    n_unused = network.vocabulary_size - tokenizer.vocabulary_size
    if n_unused:
        notes.append(f"{n_unused:,} ids of the model have no word and are left out")
        network = network.with_vocabulary_size(tokenizer.vocabulary_size)
    return tokenizer, network, notes


def _labels(network: ImportedNetwork, classes: Sequence[str] | None) -> LabelEncoder:
    n_classes = 2 if network.output == "sigmoid" else network.n_logits
    names = tuple(str(k) for k in range(n_classes)) if classes is None else tuple(classes)
    if len(names) != n_classes:
        raise UsageError(f"--classes names {len(names)}; the model tells {n_classes} apart.")
    return LabelEncoder(names, multi_label=network.output == "multi-label")


def _bundle(path: Path, network: ImportedNetwork, tokenizer: Tokenizer, labels: LabelEncoder) -> Bundle:
    specification = RunSpecification(
        name=path.stem,
        description=f"imported from {path.name}",
        text=tokenizer.settings,
        model=network.specification,
    )
    tensors = {name: torch.from_numpy(array.copy()) for name, array in network.parameters.items()}
    try:
        with torch.device("meta"):
            classifier = Classifier(
                specification.model,
                vocabulary_size=network.vocabulary_size,
                n_classes=len(labels.classes),
                multi_label=labels.multi_label,
            )
        classifier.load_state_dict(tensors, assign=True)
    except (SulsulError, RuntimeError) as error:
        raise BundleError(f"{path} cannot be expressed: {error}") from error
    classifier.eval()
    data = {"source": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    return Bundle(Ensemble((classifier,)), tokenizer, labels, specification, data)
