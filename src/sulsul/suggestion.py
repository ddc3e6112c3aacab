"""Which unlabelled texts are worth labelling: among those a classifier is least decided about, one of each kind.

Diverse mini-batch active learning (Zhdanov 2019, "Diverse mini-batch active learning", arXiv:1901.05954): ten times as
many candidates as are wanted are grouped by what they say, each counted by its uncertainty, and of every group the text
nearest its centre is chosen. The least decided texts alone were no better than random ones on NSMC (docs/labels.md): a
classifier of few texts is undecided above all about short and odd ones.
"""

import csv
import io
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from sulsul.corpora import Corpus, DataSettings, iter_texts
from sulsul.doctor.data.evidence import letters_and_digits
from sulsul.doctor.data.minhash import similar_pairs
from sulsul.doctor.data.near_duplicates import SIMILAR
from sulsul.errors import DataError, UsageError
from sulsul.evaluation.ngrams import fit_tfidf
from sulsul.evaluation.uncertainty import Measure, uncertainty
from sulsul.predictor import Prediction, Predictor

_BLOCK_ROWS = 4096
# So many texts are held for each one wanted, which leaves room for near copies to be passed over.
_HELD = 20
_FEWEST_HELD = 1_000
# Zhdanov's pre-selection; 5 gained less in the simulation.
_CANDIDATES = 10
_DIMENSIONS = 64
_LONGEST_NGRAM = 3


@dataclass(frozen=True)
class Suggestion:
    """A text worth labelling.

    Attributes
    ----------
    row, identifier
        Row number in the source, from 1 on, and the id column where one was named.
    prediction
        What the classifier answers now.
    uncertainty
        How undecided it is, from 0 to 1.
    """

    row: int
    identifier: str | None
    text: str
    prediction: Prediction
    uncertainty: float


@dataclass(frozen=True)
class Suggestions:
    """The texts worth labelling, the least decided first, and how many were read and passed over.

    ``n_copies`` counts texts left out because they nearly repeat one that is less decided.
    """

    chosen: tuple[Suggestion, ...]
    n_texts: int
    n_blank: int
    n_copies: int


def suggest_texts(predictor: Predictor, settings: DataSettings, n: int, *, measure: Measure = "margin") -> Suggestions:
    """Return the ``n`` texts of a source that are most worth labelling.

    The source is read block by block and only the least decided texts are held, so memory does not grow with it. Of
    texts that share four fifths of their letter sequences one is considered, and of all considered one of each kind.

    Parameters
    ----------
    predictor
        The classifier that is to be improved.
    settings
        The source and its columns; labels are not looked at.
    n
        How many at most.
    measure
        What undecided means; see :func:`sulsul.evaluation.uncertainty.uncertainty`.

    Raises
    ------
    UsageError
        If ``n`` is below 1, or the source holds token ids instead of texts.
    DataError
        As reading does, or if every text is blank.
    """
    if n < 1:
        raise UsageError(f"-n {n}: at least one text must be asked for.")
    candidates = _Candidates(max(_HELD * n, _FEWEST_HELD))
    n_texts = n_blank = 0
    for corpus in iter_texts(settings, _BLOCK_ROWS):
        if corpus.sequences is not None:
            raise UsageError(f"{corpus.source} holds token ids; what to label is chosen among texts.")
        visible = np.flatnonzero((corpus.texts.str.strip_chars() != "").to_numpy())
        n_texts, n_blank = n_texts + len(corpus), n_blank + len(corpus) - len(visible)
        _add(candidates, corpus.select(visible), predictor, measure)
    if not candidates.held:
        raise DataError(f"{settings.source}: there is no text to label, only blank ones.")
    ranked = candidates.ranked()
    kept, n_copies = first_of_similar([candidate.text for candidate in ranked], _CANDIDATES * n)
    considered = [ranked[position] for position in kept]
    doubts = np.array([candidate.uncertainty for candidate in considered])
    chosen = one_of_each_kind([candidate.text for candidate in considered], doubts, n)
    return Suggestions(tuple(considered[position] for position in chosen), n_texts, n_blank, n_copies)


def _add(candidates: "_Candidates", corpus: Corpus, predictor: Predictor, measure: Measure) -> None:
    if not len(corpus):
        return
    probabilities = predictor.probabilities(corpus.texts.to_list())
    doubts = uncertainty(probabilities, measure, multi_label=predictor.multi_label)
    keys = letters_and_digits(corpus.texts)
    promising = np.flatnonzero(doubts > candidates.least)
    for at in promising[np.argsort(-doubts[promising], kind="stable")][: candidates.limit].tolist():
        prediction = predictor.predictions_of_probabilities(probabilities[at : at + 1])[0]
        identifier = None if corpus.ids is None else corpus.ids[at]
        text = corpus.texts[at]
        suggestion = Suggestion(int(corpus.rows[at]), identifier, text, prediction, float(doubts[at]))
        candidates.add(keys[at] or text, suggestion)
    candidates.shrink()


class _Candidates:
    """The least decided texts so far, one per distinct sequence of letters."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.least = -1.0
        """What a text must exceed to be held."""
        self.held: dict[str, Suggestion] = {}

    def add(self, key: str, suggestion: Suggestion) -> None:
        known = self.held.get(key)
        if known is None or suggestion.uncertainty > known.uncertainty:
            self.held[key] = suggestion

    def ranked(self) -> list[Suggestion]:
        """Return them, the least decided first; of equals the earlier row."""
        return sorted(self.held.values(), key=lambda held: (-held.uncertainty, held.row))

    def shrink(self) -> None:
        """Let go of the most decided above the limit."""
        if len(self.held) <= self.limit:
            return
        ranked = sorted(self.held.items(), key=lambda item: (-item[1].uncertainty, item[1].row))[: self.limit]
        self.held = dict(ranked)
        self.least = ranked[-1][1].uncertainty


def first_of_similar(texts: Sequence[str], n: int) -> tuple[list[int], int]:
    """Return the positions of the first ``n`` texts that do not nearly repeat another, and how many were passed over.

    Examples
    --------
    >>> first_of_similar(["the ferry left the harbour on time", "it rained", "The ferry left the harbour on time!"], 3)
    ([0, 1], 1)
    """
    pairs = similar_pairs(letters_and_digits(pl.Series(texts, dtype=pl.String)), threshold=SIMILAR)
    earlier_twins: dict[int, list[int]] = {}
    for first, second in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True):
        earlier_twins.setdefault(second, []).append(first)
    kept: list[int] = []
    chosen: set[int] = set()
    n_copies = 0
    for position in range(len(texts)):
        if len(kept) == n:
            break
        if any(twin in chosen for twin in earlier_twins.get(position, ())):
            n_copies += 1
            continue
        kept.append(position)
        chosen.add(position)
    return kept, n_copies


def one_of_each_kind(texts: Sequence[str], weights: npt.NDArray[np.float64], n: int, *, seed: int = 0) -> list[int]:
    """Return the rising positions of ``n`` texts that stand for all: those nearest the centres of ``n`` groups.

    Texts are compared by TF-IDF of their character 1–3-grams, in the 64 directions that differ most.

    Parameters
    ----------
    texts
        Different texts, those first that are to fill groups without any.
    weights
        (B,): how much each counts for the centre of its group; not negative.
    n
        How many; all if there are no more.
    seed
        Of the groups' first centres.
    """
    if len(texts) <= n:
        return list(range(len(texts)))
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils.extmath import randomized_svd

    _, matrix = fit_tfidf(texts, "char", _LONGEST_NGRAM)
    if matrix.shape[1] > _DIMENSIONS:
        left, values, _ = randomized_svd(matrix, min(_DIMENSIONS, len(texts)), random_state=seed)
        points = left * values
    else:
        points = matrix.toarray()
    groups = MiniBatchKMeans(n, random_state=seed, n_init=1, batch_size=2048)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different points than groups: filled up below
        group_of = groups.fit_predict(points, sample_weight=np.maximum(weights, 1e-6))
    off_centre = ((points - groups.cluster_centers_[group_of]) ** 2).sum(axis=1)
    order = np.argsort(off_centre, kind="stable")
    nearest = order[np.unique(group_of[order], return_index=True)[1]]
    is_chosen = np.zeros(len(texts), np.bool_)
    is_chosen[nearest] = True
    is_chosen[np.flatnonzero(~is_chosen)[: n - len(nearest)]] = True  # for groups that no text is in: the first texts
    return [int(position) for position in np.flatnonzero(is_chosen)]


def suggestions_as_csv(suggestions: Suggestions, *, multi_label: bool, with_ids: bool) -> str:
    """Return a line per text: row (and id), text, an empty label to fill in, the present answer and how sure it is."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    identifier = ["id"] if with_ids else []
    answer = "predicted_labels" if multi_label else "predicted"
    writer.writerow(["row", *identifier, "text", "label", answer, "probability", "uncertainty"])
    for chosen in suggestions.chosen:
        writer.writerow(
            [
                chosen.row,
                *([chosen.identifier] if with_ids else []),
                chosen.text,
                "",
                "|".join(chosen.prediction.labels),
                f"{chosen.prediction.probability:.6f}",
                f"{chosen.uncertainty:.6f}",
            ]
        )
    return file.getvalue()


def suggestions_as_jsonl(suggestions: Suggestions, *, multi_label: bool, with_ids: bool) -> str:
    """Return what :func:`suggestions_as_csv` does as JSON Lines."""
    lines = []
    for chosen in suggestions.chosen:
        labels: object = chosen.prediction.labels if multi_label else chosen.prediction.labels[0]
        values = {
            "row": chosen.row,
            **({"id": chosen.identifier} if with_ids else {}),
            "text": chosen.text,
            "label": None,
            "predicted_labels" if multi_label else "predicted": labels,
            "probability": round(chosen.prediction.probability, 6),
            "uncertainty": round(chosen.uncertainty, 6),
        }
        lines.append(json.dumps(values, ensure_ascii=False) + "\n")
    return "".join(lines)
