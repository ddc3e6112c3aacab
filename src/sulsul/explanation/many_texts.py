"""Which words move a class most, over many texts."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.ensemble import Ensemble
from sulsul.errors import UsageError
from sulsul.explanation.deletion import ReadText
from sulsul.explanation.faithfulness import Attributed, Faithfulness, deletion_test
from sulsul.explanation.gradients import LinearLogits, gradient_times_input
from sulsul.explanation.linear_part import LinearPart
from sulsul.explanation.one_text import class_id_of
from sulsul.predictor import Predictor
from sulsul.text.normalisation import normalise

_WORD = re.compile(r"\w(?:\S*\w)?")
_TESTED_TEXTS = 50


@dataclass(frozen=True)
class WordInfluence:
    """A word, its mean influence on a class where it occurs, and in how many texts it does."""

    word: str
    mean_influence: float
    n_texts: int


@dataclass(frozen=True)
class CorpusExplanation:
    """The words that speak most for each class.

    Attributes
    ----------
    words
        By class: words with the largest positive mean influence on its log-odds first. For two exclusive classes,
        what speaks against one speaks for the other.
    n_texts
        Number of texts read.
    faithfulness
        Deletion test of the influences, by the predicted class, on some of the texts; None without any that has two
        tokens.
    """

    words: dict[str, tuple[WordInfluence, ...]]
    n_texts: int
    faithfulness: Faithfulness | None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as values that JSON can hold."""
        return asdict(self)


def explain_corpus(
    predictor: Predictor,
    texts: Sequence[str],
    targets: Sequence[str] | None = None,
    *,
    n_words: int = 20,
    min_texts: int = 3,
    seed: int = 0,
) -> CorpusExplanation:
    """Return the words with the largest mean influence on each class, by gradient times input.

    A word is what stands between white space without punctuation at its ends, in lower case; it has the sum of the
    influences of the tokens in it, so every tokenizer gives whole words.

    Parameters
    ----------
    predictor
        The trained classifier.
    texts
        Any texts; labels are not needed.
    targets
        Classes; None: all of them.
    n_words
        Most words for each class.
    min_texts
        A word in fewer texts is left out: one sentence would decide its place.
    seed
        Of the texts for the deletion test, and of its random orders.

    Raises
    ------
    UsageError
        If there are no texts, a class does not exist, or the network has a ``raw-ids`` input.
    """
    if not len(texts):
        raise UsageError("there are no texts to explain.")
    class_ids = [class_id_of(predictor, name) for name in (targets if targets is not None else predictor.classes)]
    encoded = predictor.encode(texts)
    spans = [predictor.bundle.tokenizer.encode_with_spans(text)[1] for text in texts]
    places = [_word_places(text, spans_of_text) for text, spans_of_text in zip(texts, spans, strict=True)]
    corpus = _Corpus(predictor.bundle.ensemble, texts, encoded, spans)
    words = {}
    for class_id in class_ids:
        influences = corpus.influences(np.full(len(texts), class_id))
        words[predictor.classes[class_id]] = _ranked(places, encoded, influences, n_words, min_texts)
    return CorpusExplanation(words, len(texts), _tested(predictor, corpus, seed))


class _Corpus:
    """Texts as the whole answer reads them."""

    def __init__(
        self, ensemble: Ensemble, texts: Sequence[str], encoded: EncodedCorpus, spans: Sequence[list[tuple[int, int]]]
    ) -> None:
        self.ensemble, self.texts, self.encoded, self.spans = ensemble, list(texts), encoded, spans
        self._linear = LinearLogits.of(ensemble, self.texts)
        self._parts = [] if ensemble.linear is None else [LinearPart(ensemble, text) for text in self.texts]

    def read(self, row: int) -> ReadText:
        return ReadText(self.texts[row], self.encoded.select(np.array([row])), self.spans[row])

    def influences(self, targets: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the influence of every token (N,) on the class of its text."""
        found = gradient_times_input(self.ensemble, self.encoded, targets, self._linear)
        influences = found.tokens
        for part, by_logit, spans, start in zip(
            self._parts, found.by_logit, self.spans, self.encoded.offsets.tolist(), strict=False
        ):
            influences[start : start + len(spans)] += part.influences(by_logit, spans)[0]
        return influences


def _word_places(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[str, int]]:
    """Return (word, position of a token in it) for every token that lies in a word."""
    word_of_character: list[str | None] = [None] * (len(text) + 1)
    for match in _WORD.finditer(text):
        word = normalise(match[0], lowercase=True)
        word_of_character[match.start() : match.end()] = [word] * (match.end() - match.start())
    places = []
    for position, (start, end) in enumerate(spans):
        # A subword token may begin with the space in front of its word.
        touched = next((found for found in word_of_character[start:end] if found is not None), None)
        if touched is not None:
            places.append((touched, position))
    return places


def _ranked(
    places: list[list[tuple[str, int]]],
    encoded: EncodedCorpus,
    influences: npt.NDArray[np.float64],
    n_words: int,
    min_texts: int,
) -> tuple[WordInfluence, ...]:
    totals: defaultdict[str, list[float]] = defaultdict(list)
    for start, text_places in zip(encoded.offsets.tolist(), places, strict=False):
        in_text: defaultdict[str, float] = defaultdict(float)
        for word, position in text_places:
            in_text[word] += float(influences[start + position])
        for word, influence in in_text.items():
            totals[word].append(influence)
    found = [
        WordInfluence(word, float(np.mean(values)), len(values))
        for word, values in totals.items()
        if len(values) >= min_texts
    ]
    found = [entry for entry in found if entry.mean_influence > 0]
    return tuple(sorted(found, key=lambda entry: (-entry.mean_influence, entry.word))[:n_words])


def _tested(predictor: Predictor, corpus: _Corpus, seed: int) -> Faithfulness | None:
    n = min(_TESTED_TEXTS, len(corpus.encoded))
    rows = np.sort(np.random.default_rng(seed).choice(len(corpus.encoded), n, replace=False))
    texts = [corpus.texts[row] for row in rows]
    part = _Corpus(corpus.ensemble, texts, corpus.encoded.select(rows), [corpus.spans[row] for row in rows])
    predicted = predictor.probabilities_of_logits(predictor.logits(part.encoded, texts)).argmax(axis=1)
    influences = part.influences(predicted)
    offsets = part.encoded.offsets
    attributed = [
        Attributed(part.read(row), influences[offsets[row] : offsets[row + 1]], int(predicted[row])) for row in range(n)
    ]
    return deletion_test(predictor, attributed, seed=seed)
