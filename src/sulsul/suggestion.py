"""Which unlabelled texts are worth labelling: those a classifier is undecided about that are like many others.

Information density (Settles & Craven 2008, "An analysis of active learning strategies for sequence labeling tasks",
section 3.4): uncertainty times the mean likeness to the others. A classifier of few texts is undecided above all about
short and odd ones; by uncertainty alone its choice was no better than a random one on NSMC (docs/labels.md).
"""

import csv
import io
import json
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
    """The texts worth labelling, the worthiest first, and how many were read and passed over.

    ``n_copies`` counts texts left out because they nearly repeat a worthier one.
    """

    chosen: tuple[Suggestion, ...]
    n_texts: int
    n_blank: int
    n_copies: int


def suggest_texts(predictor: Predictor, settings: DataSettings, n: int, *, measure: Measure = "margin") -> Suggestions:
    """Return the ``n`` texts of a source that are most worth labelling.

    The source is read block by block and only the least decided texts are held, so memory does not grow with it. Of
    texts that share four fifths of their letter sequences one is suggested.

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
    doubts = np.array([candidate.uncertainty for candidate in ranked])
    kept, n_copies = most_worthwhile([candidate.text for candidate in ranked], doubts, n)
    return Suggestions(tuple(ranked[position] for position in kept), n_texts, n_blank, n_copies)


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


def most_worthwhile(texts: Sequence[str], doubts: npt.NDArray[np.float64], n: int) -> tuple[list[int], int]:
    """Return the positions of the ``n`` texts most worth labelling, best first, and how many copies were passed over.

    Parameters
    ----------
    texts
        Candidates; likeness is the cosine of TF-IDF values of their character 1–3-grams.
    doubts
        (B,): how undecided the classifier is about each.
    n
        How many at most.
    """
    _, matrix = fit_tfidf(texts, "char", _LONGEST_NGRAM)
    likeness = matrix @ np.asarray(matrix.mean(axis=0)).ravel()
    order = np.argsort(-doubts * likeness, kind="stable")
    kept, n_copies = first_of_similar([texts[position] for position in order.tolist()], n)
    return order[kept].tolist(), n_copies


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
