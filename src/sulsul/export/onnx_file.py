"""Writing a trained classifier as an ONNX file that was first seen to give the same logits."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.ensemble import Ensemble, Texts
from sulsul.errors import OutputError, UsageError
from sulsul.export.network import OPSET, build_model, exported_temperature
from sulsul.export.onnx_runtime import logits_in_onnx_runtime, require_onnx
from sulsul.export.parity import exact_logits, random_texts
from sulsul.files import write_atomically
from sulsul.predictor import Predictor

__all__ = ["LARGEST_ERROR", "OPSET", "ExportReport", "export_onnx"]

LARGEST_ERROR = 1e-5
"""Largest difference of a logit that a float32 export may show, relative to the largest logit or 1: some hundred
roundings of 6e-8. A misplaced gate or a padded timestep that counts is larger by orders."""


@dataclass(frozen=True)
class ExportReport:
    """What was written and how it was checked.

    Attributes
    ----------
    opset
        Version of the ONNX operators.
    size_bytes
        Of the file.
    n_texts
        Number of texts compared.
    real_texts
        Whether they were given; otherwise they were random token ids.
    max_abs_error
        Largest absolute difference of a logit from ours in float64.
    n_same_answers
        How many texts get the same labels from both.
    accuracy, exported_accuracy
        Shares of right answers, ours and the exported network's; None without labels. Of label sets, the whole set.
    whole_accuracy
        That of the answer with its linear part, where one was left out.
    """

    path: Path
    opset: int
    size_bytes: int
    n_texts: int
    real_texts: bool
    max_abs_error: float
    n_same_answers: int
    accuracy: float | None = None
    exported_accuracy: float | None = None
    whole_accuracy: float | None = None


def export_onnx(
    predictor: Predictor,
    path: Path | str,
    *,
    texts: EncodedCorpus | None = None,
    strings: Texts | None = None,
    int8: bool = False,
    recurrent_only: bool = False,
) -> ExportReport:
    """Write the networks, pooling and head included, as ONNX; ``tokenizer.json`` of the bundle goes with it.

    Recurrent layers become ONNX's own RNN, GRU and LSTM with ``sequence_lens``; batch and time are free, the initial
    state is zero, a text of length 0 is legal. See :func:`sulsul.export.network.build_model` for inputs and outputs.

    Parameters
    ----------
    predictor
        The trained classifier.
    path
        The file to write or replace; only written once the logits agree.
    texts
        Real texts to compare on, with their labels if there are any; None: random token ids.
    strings
        The same texts as they are; only ``recurrent_only`` needs them.
    int8
        Store the large weights as int8 (one scale per output row, for an embedding per token), a quarter of the size.
        The computation stays in float32. Nothing is refused then: judge by the report's accuracies.
    recurrent_only
        Leave out a linear part, which reads texts and has no place in the graph. The networks' own probabilities are
        not calibrated then.

    Raises
    ------
    UsageError
        If onnx or onnxruntime is missing, ``int8`` or ``recurrent_only`` is asked for without texts, or there is a
        linear part and ``recurrent_only`` is not asked for.
    OutputError
        If a logit differs by more than :data:`LARGEST_ERROR` allows, or the file cannot be written.
    """
    require_onnx()
    if int8 and texts is None:
        raise UsageError("int8 weights change answers: give labelled texts on which the change can be measured.")
    bundle = predictor.bundle
    _check_parts(bundle.ensemble, recurrent_only=recurrent_only, has_texts=texts is not None and strings is not None)
    model = build_model(bundle, int8=int8).SerializeToString()
    compared = random_texts(bundle.classifier) if texts is None else texts
    if not len(compared):
        raise UsageError("there are no texts to compare the exported network on.")
    ours = exact_logits(bundle.ensemble, compared, exported_temperature(bundle.ensemble))
    theirs = logits_in_onnx_runtime(model, compared)
    error = float(np.abs(ours - theirs).max())
    allowed = LARGEST_ERROR * max(1.0, float(np.abs(ours).max()))
    if not int8 and not error <= allowed:
        raise OutputError(
            f"{Path(path)} was not written: in ONNX Runtime a logit differs by {error:.1e} from ours, more than "
            f"{allowed:.1e}. Weights that are very large, or not finite, cannot be exported faithfully."
        )
    answers, exported = _answers(predictor, ours), _answers(predictor, theirs)
    write_atomically(Path(path), model)
    return ExportReport(
        path=Path(path),
        opset=OPSET,
        size_bytes=len(model),
        n_texts=len(compared),
        real_texts=texts is not None,
        max_abs_error=error,
        n_same_answers=int((answers == exported).all(axis=1).sum()),
        accuracy=_accuracy(answers, compared),
        exported_accuracy=_accuracy(exported, compared),
        whole_accuracy=_accuracy(_answers(predictor, predictor.logits(compared, strings)), compared)
        if bundle.ensemble.linear is not None
        else None,
    )


def _check_parts(ensemble: Ensemble, *, recurrent_only: bool, has_texts: bool) -> None:
    """Refuse to leave out a linear part unasked or unmeasured."""
    if ensemble.linear is None:
        return
    if not recurrent_only:
        raise UsageError(
            f"{ensemble.blend.linear_weight:.0%} of this answer is a linear model on the texts themselves, which an "
            "ONNX graph of token ids cannot hold. Export the networks alone with --recurrent-only, which measures on "
            "labelled DATA what that costs, or train with --set wide.kind=none."
        )
    if not has_texts:
        raise UsageError("--recurrent-only changes answers: name labelled DATA on which the change can be measured.")


def _answers(predictor: Predictor, logits: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Return the answers as rows: one class id each, or a 0/1 row for label sets."""
    probabilities = predictor.probabilities_of_logits(logits)
    if predictor.multi_label:
        return (probabilities > 0.5).astype(np.int64)
    largest: npt.NDArray[np.int64] = probabilities.argmax(axis=1)[:, None]
    return largest


def _accuracy(answers: npt.NDArray[np.int64], texts: EncodedCorpus) -> float | None:
    if texts.class_ids is None:
        return None
    truth = texts.class_ids if texts.class_ids.ndim == 2 else texts.class_ids[:, None]
    return float((answers == truth).all(axis=1).mean())
