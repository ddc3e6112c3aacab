"""From labelled texts to a ranked list of probably wrong labels and an estimate of how many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sulsul.corpora import Corpus, DataSettings, read_corpus
from sulsul.doctor.data.duplicates import find_conflicting_labels
from sulsul.doctor.data.evidence import DataEvidence
from sulsul.doctor.labels.folds import grouped_folds
from sulsul.doctor.labels.out_of_fold import FoldsListener, linear_probabilities, recurrent_probabilities
from sulsul.errors import DataError, UsageError
from sulsul.evaluation.label_noise import WrongShare, doubt_labels, estimate_wrong_share
from sulsul.findings import Finding
from sulsul.specification import RunSpecification
from sulsul.text import LabelEncoder

N_FOLDS = 5
_FEWEST_TEXTS = 20


@dataclass(frozen=True)
class DoubtedLabel:
    """One text whose label is probably wrong.

    Attributes
    ----------
    row, identifier
        Row number in the source, from 1 on, and the id column where one was named.
    given, suggested
        Class names; of a multi-label task any number of them.
    probability
        Of the suggested answer, by a model that was trained without the text.
    margin
        That minus the probability of the given answer.
    conflicting_rows
        Rows of the same text, but for case, punctuation and spaces, whose label is another.
    """

    row: int
    identifier: str | None
    text: str
    given: tuple[str, ...]
    suggested: tuple[str, ...]
    probability: float
    margin: float
    conflicting_rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class LabelReport:
    """What was found about the labels of a source.

    Attributes
    ----------
    doubted
        The likeliest wrong label first.
    wrong_share
        Estimated share of wrong labels; None where too few texts could be judged.
    conflicts
        What is to be said of equal texts with different labels; None where there are none.
    n_texts, n_judged
        Texts read, and those whose label could be judged: not those without a visible character, nor the only text of
        a class.
    model
        What judged, in words.
    """

    source: str
    doubted: tuple[DoubtedLabel, ...]
    wrong_share: WrongShare | None
    conflicts: Finding | None
    n_texts: int
    n_judged: int
    model: str
    multi_label: bool


def examine_labels(
    data: DataSettings,
    *,
    specification: RunSpecification | None = None,
    n_folds: int = N_FOLDS,
    seed: int = 0,
    listener: FoldsListener | None = None,
) -> LabelReport:
    """Judge every label of a source by models that were trained without the text.

    Parameters
    ----------
    data
        The source and its columns.
    specification
        Judges by what this trains; None: by the tuned linear model.
    n_folds
        How many parts the texts are divided into; equal texts are in the same part.
    seed
        Of the division and of the linear models.
    listener
        Called while models are fitted.

    Raises
    ------
    UsageError
        If there are fewer than 2 folds, or the source holds token ids.
    DataError
        If the source cannot be read, has fewer than 20 labelled texts, or fewer different ones than folds.
    LabelError
        If the labels name fewer than two classes.
    SulsulError
        As training does.
    """
    corpus = read_corpus(data)
    evidence = DataEvidence(corpus, settings=data)
    _check(corpus, evidence, n_folds)
    assert corpus.labels is not None
    labels = LabelEncoder.fit(corpus.labels)
    class_ids = labels.encode(corpus.labels, corpus.rows, source=corpus.source)
    fold_of = grouped_folds(evidence.key_ids, class_ids, n_folds, seed=seed)
    listener = listener or FoldsListener()
    if specification is None:
        n_classes = len(labels.classes)
        probabilities = linear_probabilities(
            corpus.texts, class_ids, fold_of, n_classes=n_classes, seed=seed, listener=listener
        )
    else:
        probabilities = recurrent_probabilities(corpus, labels, fold_of, specification, listener)
    model = "the tuned linear model" if specification is None else specification.name
    judged = _judged(corpus, class_ids, fold_of)
    return _report(evidence, labels.classes, class_ids, probabilities, judged, f"{n_folds} folds of {model}")


def _check(corpus: Corpus, evidence: DataEvidence, n_folds: int) -> None:
    if n_folds < 2:
        raise UsageError(f"--folds {n_folds}: at least 2 are needed, so that each is judged by the others.")
    if corpus.sequences is not None:
        raise UsageError(f"{corpus.source} holds token ids; labels are judged by what texts say.")
    if len(corpus) < _FEWEST_TEXTS:
        raise DataError(f"{corpus.source}: {len(corpus)} labelled texts; to judge labels takes {_FEWEST_TEXTS}.")
    n_different = len(np.unique(evidence.key_ids)) - 1 + int((evidence.key_ids == -1).sum())
    if n_different < n_folds:
        raise DataError(f"{corpus.source}: {n_different} different texts cannot be divided into {n_folds} folds.")


def _judged(corpus: Corpus, class_ids: npt.NDArray[Any], fold_of: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which labels (B,) can be judged: there is something to read, and the class occurs in other folds too."""
    judged = (corpus.texts.str.strip_chars() != "").to_numpy()
    if class_ids.ndim == 1:
        n_classes, n_folds = int(class_ids.max()) + 1, int(fold_of.max()) + 1
        in_fold = np.bincount(class_ids * n_folds + fold_of, minlength=n_classes * n_folds).reshape(n_classes, n_folds)
        elsewhere = in_fold.sum(axis=1, keepdims=True) - in_fold
        judged &= elsewhere[class_ids, fold_of] > 0
    return np.asarray(judged)


def _report(
    evidence: DataEvidence,
    classes: Sequence[str],
    class_ids: npt.NDArray[Any],
    probabilities: npt.NDArray[np.float64],
    judged: npt.NDArray[np.bool_],
    model: str,
) -> LabelReport:
    corpus, positions = evidence.corpus, np.flatnonzero(judged)
    doubts = doubt_labels(class_ids[positions], probabilities[positions])
    conflicts = _Conflicts(evidence, class_ids)
    doubted = []
    for at in doubts.ranked().tolist():
        position = int(positions[at])
        doubted.append(
            DoubtedLabel(
                row=int(corpus.rows[position]),
                identifier=None if corpus.ids is None else corpus.ids[position],
                text=corpus.texts[position],
                given=_names(class_ids[position], classes),
                suggested=_names(doubts.suggested[at], classes),
                probability=float(doubts.probability[at]),
                margin=float(doubts.margin[at]),
                conflicting_rows=conflicts.rows(position),
            )
        )
    return LabelReport(
        source=corpus.source,
        doubted=tuple(doubted),
        wrong_share=estimate_wrong_share(class_ids[positions], probabilities[positions]),
        conflicts=next(find_conflicting_labels(evidence), None),
        n_texts=len(corpus),
        n_judged=len(positions),
        model=model,
        multi_label=corpus.multi_label,
    )


def _names(answer: Any, classes: Sequence[str]) -> tuple[str, ...]:
    chosen = [int(answer)] if np.ndim(answer) == 0 else np.flatnonzero(np.asarray(answer) > 0.5).tolist()
    return tuple(classes[index] for index in chosen)


class _Conflicts:
    """Finds rows of the same text with another label."""

    def __init__(self, evidence: DataEvidence, class_ids: npt.NDArray[Any]) -> None:
        self._rows, self._keys = evidence.corpus.rows, evidence.key_ids
        self._kinds = np.unique(class_ids, axis=0, return_inverse=True)[1].reshape(-1)
        self._order = np.argsort(self._keys, kind="stable")
        self._sorted = self._keys[self._order]

    def rows(self, position: int) -> tuple[int, ...]:
        key = self._keys[position]
        if key < 0:
            return ()
        first, last = np.searchsorted(self._sorted, [key, key + 1])
        same = self._order[first:last]
        return tuple(self._rows[same[self._kinds[same] != self._kinds[position]]].tolist())
