"""From a trained classifier and encoded splits to evaluations, paired tests and the worst mistakes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from sulsul.batching import EncodedCorpus
from sulsul.corpora import Corpus
from sulsul.corpora.mapped import MappedCorpus
from sulsul.ensemble import Ensemble, Texts
from sulsul.evaluation import Evaluation, compare_paired, evaluate_predictions, predicted_labels
from sulsul.evaluation.abstention import confidence, select_answers
from sulsul.evaluation.baselines import BaselineResult, linear_title
from sulsul.evaluation.linear_classifier import LinearClassifier
from sulsul.evaluation.logits import probabilities_of_logits
from sulsul.evaluation.significance import PairedComparison
from sulsul.preparation import PreparedSplit
from sulsul.report.mistakes import confident_mistakes
from sulsul.report.record import AbstentionSummary, AnswerSummary, MistakenText, PartScores


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


def judge(
    ensemble: Ensemble, encoded: EncodedCorpus, texts: Texts | None, classes: Sequence[str], *, seed: int = 0
) -> Judgement:
    """Classify labelled texts and judge the answers.

    Parameters
    ----------
    ensemble
        What answers.
    encoded, texts
        The same texts, encoded with their labels and as they are; these only a linear part needs.
    classes
        Names of the classes.
    seed
        Of the bootstrap.

    Raises
    ------
    DataError
        If there are no texts.
    """
    return judge_logits(ensemble, ensemble.logits(encoded, texts), encoded, classes, seed=seed)


def judge_logits(
    ensemble: Ensemble,
    given: npt.NDArray[np.floating],
    encoded: EncodedCorpus,
    classes: Sequence[str],
    *,
    seed: int = 0,
) -> Judgement:
    """Judge logits (B, L) that the ensemble, or a part of it, gave for labelled texts; raises as :func:`judge` does."""
    truth: npt.NDArray[Any] | None = encoded.class_ids
    assert truth is not None
    logits = given.astype(np.float64)
    probabilities = probabilities_of_logits(logits, multi_label=truth.ndim == 2)
    loss = float(ensemble.first.loss(torch.from_numpy(logits), torch.from_numpy(truth))) if len(encoded) else None
    evaluation = evaluate_predictions(truth, probabilities, classes, loss=loss, seed=seed)
    predicted = predicted_labels(probabilities, multi_label=truth.ndim == 2)
    return Judgement(evaluation, probabilities, predicted, _agree(predicted, truth))


def judge_parts(
    ensemble: Ensemble, encoded: EncodedCorpus, texts: Texts | None, classes: Sequence[str], *, seed: int = 0
) -> tuple[Judgement, AnswerSummary]:
    """Judge the whole answer and each of its parts; see :func:`judge`."""
    logits = ensemble.part_logits(encoded, texts)

    def judged(given: npt.NDArray[np.floating]) -> Judgement:
        return judge_logits(ensemble, given, encoded, classes, seed=seed)

    whole = judged(logits.whole)
    parts = []
    if len(logits.members) > 1:
        parts += [_part(f"network {number}", "member", judged(given)) for number, given in enumerate(logits.members, 1)]
    if len(logits.members) > 1 or logits.linear is not None:
        several = f"{len(logits.members)} networks" if len(logits.members) > 1 else "network"
        parts.append(_part(several, "recurrent", judged(logits.recurrent)))
    if logits.linear is not None:
        parts.append(_part("linear part", "linear", judged(logits.linear)))
    blend, linear = ensemble.blend, ensemble.linear
    return whole, AnswerSummary(
        n_members=len(ensemble.members),
        linear=None if linear is None else _linear_title(linear),
        n_linear_weights=0 if linear is None else linear.weights.size,
        linear_weight=blend.linear_weight,
        temperature=blend.temperature,
        n_fitted=blend.n_texts,
        ece_uncalibrated=judged(logits.uncalibrated).evaluation.calibration.ece,
        parts=(*parts, _part("whole answer", "whole", whole)),
        abstention=_abstention(ensemble, whole),
    )


def _linear_title(linear: LinearClassifier) -> str:
    """Return what the linear part reads; first lines and vectors only where it does."""
    said = [linear_title(linear.features.unit, linear.features.longest)]
    if linear.features.first_line:
        said.append("first lines by themselves")
    if "vectors" in linear.settings:
        said.append("n-gram vectors learned without labels")
    return ", ".join(said)


def _part(name: str, kind: Literal["member", "recurrent", "linear", "whole"], judged: Judgement) -> PartScores:
    evaluation = judged.evaluation
    return PartScores(
        name=name,
        kind=kind,
        accuracy=evaluation.accuracy,
        accuracy_interval=evaluation.accuracy_interval,
        macro_f1=evaluation.macro_f1,
        macro_f1_interval=evaluation.macro_f1_interval,
        loss=evaluation.loss,
        ece=evaluation.calibration.ece,
    )


def _abstention(ensemble: Ensemble, whole: Judgement) -> AbstentionSummary | None:
    found = ensemble.abstention
    if found is None:
        return None
    confidences = confidence(whole.probabilities, multi_label=ensemble.output_kind == "multi-label")
    selected = select_answers(whole.correct, confidences, found.threshold)
    return AbstentionSummary(
        wanted_precision=found.wanted_precision,
        threshold=found.threshold,
        found_on=found.n_texts,
        precision=selected.precision,
        n_answered=selected.n_answered,
        n=selected.n_texts,
    )


def paired_with_baselines(
    name: str, judgement: Judgement, truth: npt.NDArray[Any], baselines: Sequence[BaselineResult], *, seed: int = 0
) -> tuple[PairedComparison, ...]:
    """Test the classifier against every baseline on the same texts."""
    others = {result.scores.title: _agree(result.predictions, truth) for result in baselines}
    return compare_paired(name, judgement.correct, others, seed=seed) if others else ()


def mistakes(
    corpus: Corpus | MappedCorpus, split: PreparedSplit, judgement: Judgement, classes: Sequence[str]
) -> tuple[MistakenText, ...]:
    """Return the most confidently wrong texts of a split."""
    part = corpus.at(split.rows)
    truth: npt.NDArray[Any] | None = split.encoded.class_ids
    assert truth is not None
    return confident_mistakes(part.texts, truth, judgement.probabilities, classes, rows=part.rows, ids=part.ids)


def _agree(predicted: npt.NDArray[Any], truth: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    same = predicted == truth
    return np.asarray(same.all(axis=1) if same.ndim == 2 else same, dtype=np.bool_)
