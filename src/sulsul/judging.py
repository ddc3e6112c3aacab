"""From a trained classifier and encoded splits to evaluations, paired tests and the worst mistakes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sulsul.batching import EncodedCorpus
from sulsul.corpora import Corpus
from sulsul.evaluation import Evaluation, compare_paired, evaluate_predictions, predicted_labels
from sulsul.evaluation.baselines import BaselineResult
from sulsul.evaluation.significance import PairedComparison
from sulsul.inference import predict_logits
from sulsul.model.classifier import Classifier
from sulsul.preparation import PreparedSplit
from sulsul.report.mistakes import confident_mistakes
from sulsul.report.record import MistakenText


@dataclass(frozen=True, eq=False)
class Judgement:
    """One split's predictions and what is said of them.

    Attributes
    ----------
    probabilities
        (B, C), float64.
    correct
        bool (B,): was the text classified correctly? For label sets, the whole set.
    """

    evaluation: Evaluation
    probabilities: npt.NDArray[np.float64]
    predicted: npt.NDArray[np.int64]
    correct: npt.NDArray[np.bool_]


def judge(classifier: Classifier, encoded: EncodedCorpus, classes: Sequence[str], *, seed: int = 0) -> Judgement:
    """Classify labelled texts and judge the answers.

    Raises
    ------
    DataError
        If there are no texts.
    """
    truth: npt.NDArray[Any] | None = encoded.class_ids
    assert truth is not None
    logits = torch.from_numpy(predict_logits(classifier, encoded)).double()
    targets = torch.from_numpy(truth)
    probabilities: npt.NDArray[np.float64] = classifier.probabilities(logits).numpy()
    loss = float(classifier.loss(logits, targets)) if len(encoded) else None
    evaluation = evaluate_predictions(truth, probabilities, classes, loss=loss, seed=seed)
    predicted = predicted_labels(probabilities, multi_label=truth.ndim == 2)
    return Judgement(evaluation, probabilities, predicted, _agree(predicted, truth))


def paired_with_baselines(
    name: str, judgement: Judgement, truth: npt.NDArray[Any], baselines: Sequence[BaselineResult], *, seed: int = 0
) -> tuple[PairedComparison, ...]:
    """Test the classifier against every baseline on the same texts."""
    others = {result.scores.title: _agree(result.predictions, truth) for result in baselines}
    return compare_paired(name, judgement.correct, others, seed=seed) if others else ()


def mistakes(
    corpus: Corpus, split: PreparedSplit, judgement: Judgement, classes: Sequence[str]
) -> tuple[MistakenText, ...]:
    """Return the most confidently wrong texts of a split."""
    part = corpus.select(split.rows)
    truth: npt.NDArray[Any] | None = split.encoded.class_ids
    assert truth is not None
    return confident_mistakes(part.texts, truth, judgement.probabilities, classes, rows=part.rows, ids=part.ids)


def _agree(predicted: npt.NDArray[Any], truth: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    same = predicted == truth
    return np.asarray(same.all(axis=1) if same.ndim == 2 else same, dtype=np.bool_)
