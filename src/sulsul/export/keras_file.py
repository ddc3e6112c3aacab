"""Writing a trained classifier as a ``.keras`` file that Keras was first seen to answer alike."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.bundle import Bundle
from sulsul.errors import BundleError, OutputError, UsageError
from sulsul.export.keras_layers import keras_archive
from sulsul.export.parity import exact_logits, random_texts
from sulsul.files import write_atomically
from sulsul.keras_files.keras_process import keras_version, logits_in_keras
from sulsul.predictor import Predictor

LARGEST_KERAS_ERROR = 1e-5
"""Largest difference of a logit from Keras's, relative to the largest logit or 1."""

_MOST_TEXTS = 256
_MOST_NUMBERS = 20_000_000


@dataclass(frozen=True)
class KerasExportReport:
    """What was written and how it was checked.

    Attributes
    ----------
    keras_version
        Of the Keras that it was compared with; None where it was not compared.
    n_texts, real_texts
        Number of texts compared, and whether they were given; otherwise they were random token ids.
    max_abs_error
        Largest absolute difference of a logit from ours in float64.
    fed
        What the model takes, in words.
    """

    path: Path
    size_bytes: int
    keras_version: str | None
    n_texts: int
    real_texts: bool
    max_abs_error: float | None
    fed: str


def export_keras(predictor: Predictor, path: Path | str, *, texts: EncodedCorpus | None = None) -> KerasExportReport:
    """Write the network as Keras's own layers; ``tokenizer.json`` of the bundle goes with it.

    Parameters
    ----------
    predictor
        The trained classifier.
    path
        The file to write or replace, ``*.keras``; only written once the logits agree, if Keras is installed.
    texts
        Real texts to compare on, the first 256 of them; None: random token ids.

    Raises
    ------
    UsageError
        If the name does not end in ``.keras``, h5py is missing, or Keras's own layers cannot express the network.
    OutputError
        If a logit differs by more than :data:`LARGEST_KERAS_ERROR` allows, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise UsageError(f"{path}: Keras reads the format by the name; let it end in .keras.")
    bundle = predictor.bundle
    content = _content(bundle)
    version, error, n_texts = keras_version(), None, 0
    if version is not None:
        compared = _compared(bundle, texts)
        n_texts, error = len(compared), _largest_error(bundle, content, compared, path)
    write_atomically(path, content)
    return KerasExportReport(path, len(content), version, n_texts, texts is not None, error, _fed(bundle))


def write_keras(bundle: Bundle, path: Path) -> None:
    """Write a classifier as a ``.keras`` file without comparing; raises as :func:`export_keras` does."""
    write_atomically(path, _content(bundle))


def _content(bundle: Bundle) -> bytes:
    ensemble = bundle.ensemble
    if len(ensemble.members) > 1 or ensemble.linear is not None:
        parts = f"{len(ensemble.members)} network(s)" + (" and a linear part" if ensemble.linear is not None else "")
        raise UsageError(
            f"this classifier answers by {parts} together, which one Keras model cannot express. Train a single "
            "network: --set ensemble.members=1 --set wide.kind=none."
        )
    archive = keras_archive(
        bundle.classifier, "sulsul", masked=is_masked(bundle), temperature=ensemble.blend.temperature
    )
    return archive.to_bytes()


def is_masked(bundle: Bundle) -> bool:
    """Return whether padding by id 0 means nothing: PAD is reserved, and texts themselves are not padded with it."""
    text = bundle.specification.text
    return text.reserved[:1] == ("pad",) and text.pad_to is None


def _fed(bundle: Bundle) -> str:
    text, kind = bundle.specification.text, bundle.specification.model.input.kind
    if text.pad_to is not None:
        return (
            f"{text.pad_to} token ids{' as one-hot rows' if kind == 'one-hot' else ''} a text, padded {text.pad_side}"
        )
    if not is_masked(bundle):
        return "token ids; id 0 is a word, so texts of one batch must have one length"
    if kind == "one-hot":
        return "one-hot rows of token ids, padded with rows of zeros on either side"
    return "token ids, padded with 0 on either side"


def _compared(bundle: Bundle, texts: EncodedCorpus | None) -> EncodedCorpus:
    """Return texts that fit into one padded array: not empty, and of one length where padding would be read."""
    classifier = bundle.classifier
    chosen = random_texts(classifier) if texts is None else texts
    rows = np.flatnonzero(chosen.lengths > 0)[:_MOST_TEXTS]
    if not is_masked(bundle) and len(rows):
        wanted = bundle.specification.text.pad_to
        lengths = chosen.lengths[rows]
        if wanted is None or not (lengths == wanted).all():
            wanted = wanted or int(lengths.max())
            ids = np.random.default_rng(0).integers(0, classifier.vocabulary_size, (16, wanted), dtype=np.int32)
            return EncodedCorpus(ids.reshape(-1), np.arange(17, dtype=np.int64) * wanted)
    if not len(rows):
        raise UsageError("there are no texts to compare the exported network on.")
    if classifier.specification.input.kind == "one-hot":
        longest = int(chosen.lengths[rows].max())
        rows = rows[: max(1, _MOST_NUMBERS // (longest * classifier.vocabulary_size))]
    chosen = chosen.select(rows)
    if not is_masked(bundle):
        return chosen
    # Ids 0 inside a random text are padding to Keras.
    kept = chosen.token_ids != 0
    counts = np.concatenate([[0], np.cumsum(kept)])
    offsets = counts[chosen.offsets].astype(np.int64)
    whole = EncodedCorpus(chosen.token_ids[kept], offsets)
    return whole.select(np.flatnonzero(whole.lengths > 0))


def _largest_error(bundle: Bundle, content: bytes, texts: EncodedCorpus, path: Path) -> float:
    ours = exact_logits(bundle.ensemble, texts, bundle.ensemble.blend.temperature)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        file.write_bytes(content)
        try:
            theirs = logits_in_keras(file, _padded(bundle, texts))
        except BundleError as error:
            raise OutputError(f"{path} was not written: Keras does not load it ({error}).") from error
    largest = float(np.abs(ours - theirs).max())
    allowed = LARGEST_KERAS_ERROR * max(1.0, float(np.abs(ours).max()))
    if not largest <= allowed:
        raise OutputError(
            f"{path} was not written: in Keras a logit differs by {largest:.1e} from ours, more than {allowed:.1e}."
        )
    return largest


def _padded(bundle: Bundle, texts: EncodedCorpus) -> npt.NDArray[Any]:
    lengths = texts.lengths
    ids = np.zeros((len(texts), int(lengths.max())), np.int64)
    is_token = np.arange(ids.shape[1]) < lengths[:, None]
    ids[is_token] = texts.token_ids
    if bundle.specification.model.input.kind != "one-hot":
        return ids
    rows = np.zeros((*ids.shape, bundle.classifier.vocabulary_size), np.float32)
    np.put_along_axis(rows, ids[:, :, None], 1.0, axis=2)
    return np.where(is_token[:, :, None], rows, np.float32(0.0))
