"""Scores of a classifier on the validation split, after every epoch."""

from dataclasses import dataclass

import torch

from sulsul.batching import EncodedCorpus
from sulsul.evaluation.metrics import macro_f1
from sulsul.inference import predict_logits
from sulsul.model.classifier import Classifier
from sulsul.training.objective import answers, count_correct, targets_tensor


@dataclass(frozen=True)
class ValidationScores:
    """Loss without class weights or dropout, accuracy, and macro-F1, each over the whole split."""

    loss: float
    accuracy: float
    macro_f1: float


def validation_scores(classifier: Classifier, validation: EncodedCorpus) -> ValidationScores:
    """Return the scores of ``classifier`` on labelled texts.

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
    logits = predict_logits(classifier, validation)
    predicted = (logits > 0).astype("float32") if class_ids.ndim == 2 else answers(logits)
    with torch.inference_mode():
        loss = classifier.loss(torch.from_numpy(logits).double(), targets_tensor(class_ids).to(_wide(class_ids.ndim)))
    return ValidationScores(
        loss=loss.item(),
        accuracy=count_correct(logits, class_ids) / len(validation),
        macro_f1=macro_f1(class_ids, predicted, classifier.n_classes),
    )


def _wide(ndim: int) -> torch.dtype:
    return torch.float64 if ndim == 2 else torch.int64
