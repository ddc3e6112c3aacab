"""Scores of a classifier on the validation split, after every epoch."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from sulsul.batching import EncodedCorpus
from sulsul.batching.parts import dealt_out
from sulsul.evaluation.metrics import macro_f1
from sulsul.inference import predict_logits
from sulsul.model.classifier import Classifier
from sulsul.training.objective import answers, count_correct, targets_tensor
from sulsul.training.workers import Workers


@dataclass(frozen=True)
class ValidationScores:
    """Loss without class weights or dropout, accuracy, and macro-F1, each over the whole split."""

    loss: float
    accuracy: float
    macro_f1: float


def validation_scores(
    classifier: Classifier, validation: EncodedCorpus, workers: Workers | None = None
) -> ValidationScores:
    """Return the scores of ``classifier`` on labelled texts, of which each worker, if there are any, answers a part.

    The accuracy of label sets is the share of texts with every label right, and the macro-F1 leaves out classes that
    neither occur nor are predicted, as everywhere in :mod:`sulsul.evaluation`.

    Raises
    ------
    ValueError
        If the texts carry no labels.
    """
    class_ids = validation.class_ids
    if class_ids is None:
        raise ValueError("the validation split has no labels")
    logits = predict_logits(classifier, validation) if workers is None else _by_all(classifier, validation, workers)
    predicted = (logits > 0).astype("float32") if class_ids.ndim == 2 else answers(logits)
    with torch.inference_mode():
        loss = classifier.loss(torch.from_numpy(logits).double(), targets_tensor(class_ids).to(_wide(class_ids.ndim)))
    scores = ValidationScores(
        loss=loss.item(),
        accuracy=count_correct(logits, class_ids) / len(validation),
        macro_f1=macro_f1(class_ids, predicted, classifier.n_classes),
    )
    return scores if workers is None else _of_first(scores, workers)


def _by_all(classifier: Classifier, validation: EncodedCorpus, workers: Workers) -> npt.NDArray[np.floating]:
    """Return the logits (B, L), each from one worker: the same as from one process, to the bit."""
    by_length = np.argsort(-validation.lengths, kind="stable")
    mine = by_length[dealt_out(len(validation), workers.number, workers.n_workers)]
    kernel = classifier.output.kernel
    logits = torch.zeros(len(validation), kernel.shape[1], dtype=kernel.dtype)
    logits[torch.from_numpy(mine)] = torch.from_numpy(predict_logits(classifier, validation.select(mine)))
    workers.sum(logits)
    return logits.numpy()


def _of_first(scores: ValidationScores, workers: Workers) -> ValidationScores:
    """Return the first worker's scores: they decide when to stop, and must not differ in a last digit."""
    values = torch.tensor([scores.loss, scores.accuracy, scores.macro_f1], dtype=torch.float64)
    workers.from_first(values)
    return ValidationScores(*values.tolist())


def _wide(ndim: int) -> torch.dtype:
    return torch.float64 if ndim == 2 else torch.int64
