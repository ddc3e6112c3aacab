"""Token ids by looking whole tokens up in a vocabulary: words, characters and morphemes."""

from array import array
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from sulsul.errors import TokenizerError
from sulsul.text import interchange
from sulsul.text.arrangement import UNKNOWN, Counts, Ids
from sulsul.text.morphemes import MorphemeSplitter
from sulsul.text.settings import TextSettings
from sulsul.text.splitting import CharacterSplitter, DeletingSplitter, PatternSplitter, Splitter, word_splitter
from sulsul.text.vocabulary import Vocabulary, count_tokens, most_frequent
from sulsul.text.word_types import WordTypes


class Reader(Protocol):
    """What turns the normalised texts of one call into plain token ids."""

    def ids(self, texts: Sequence[str]) -> tuple[Ids, Counts]:
        """Return the ids of all texts in a row, unknown ones as -1, and how many each text has."""
        ...

    def spans(self, text: str) -> Iterable[tuple[int, int, int]]:
        """Return id, first character and the character after the last one of every token."""
        ...

    def outside(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Return which of the ids that :meth:`ids` gave are outside the vocabulary."""
        ...

    def new_types(self) -> WordTypes | None:
        """Return what the ids given since the last call stand for; None where they are rows of the embedding."""
        ...


class Lookup(Protocol):
    """What was learned about tokens."""

    vocabulary: Vocabulary

    @property
    def n_rows(self) -> int:
        """Number of rows of the embedding table, V."""
        ...

    def names(self) -> list[str]:
        """Return the name of every row."""
        ...

    def reader(self) -> Reader:
        """Return what reads the texts of one call."""
        ...

    @property
    def n_fixed_rows(self) -> int:
        """Number of rows that cannot be left out."""
        ...

    def keep_rows(self, rows: npt.NDArray[np.int64]) -> "Lookup":
        """Return a look-up of some rows, rising, numbered anew; raises TokenizerError where it cannot."""
        ...

    def to_json(self) -> str:
        """Return a ``tokenizer.json``."""
        ...


class PlainIds:
    """A look-up whose ids are the rows of the embedding, and which remembers nothing from text to text."""

    vocabulary: Vocabulary

    @property
    def n_rows(self) -> int:
        """Number of rows of the embedding table, V."""
        return len(self.vocabulary)

    def names(self) -> list[str]:
        """Return the name of every row."""
        return self.vocabulary.names()

    def reader(self) -> Self:
        """Return itself."""
        return self

    def outside(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Return which ids are :data:`UNKNOWN`."""
        unknown: npt.NDArray[np.bool_] = ids == UNKNOWN
        return unknown

    def new_types(self) -> None:
        """Return None."""


class VocabularyLookup(PlainIds):
    """Cuts texts by a rule and looks the tokens up.

    A dictionary is used rather than :class:`tokenizers.Tokenizer`: over 25,000 film reviews (5.9 million words, two
    cores) it takes 1.3 s where ``encode_batch_fast`` takes 4.9 s, with equal ids.

    Parameters
    ----------
    settings
        Decide the rule.
    vocabulary
        The tokens known.
    """

    def __init__(self, settings: TextSettings, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._settings = settings
        self._splitter = _splitter(settings)
        self._id_of = vocabulary.index.get

    @classmethod
    def fit(cls, chunks: Iterable[Sequence[str]], settings: TextSettings) -> "VocabularyLookup":
        """Learn the most frequent tokens of normalised texts, given in chunks."""
        splitter = _splitter(settings)
        counts = count_tokens(map(splitter.cut, chunks))
        limit = settings.vocabulary_size - len(settings.reserved)
        tokens = most_frequent(counts, limit=limit, min_frequency=settings.min_frequency)
        return cls(settings, Vocabulary(settings.reserved, tokens))

    @classmethod
    def from_json(cls, text: str, settings: TextSettings) -> "VocabularyLookup":
        """Rebuild from what :meth:`to_json` returned."""
        return cls(settings, interchange.read_vocabulary(text, settings))

    @property
    def n_fixed_rows(self) -> int:
        """Number of reserved tokens."""
        return len(self.vocabulary.reserved)

    def keep_rows(self, rows: npt.NDArray[np.int64]) -> "VocabularyLookup":
        """Return a look-up of some tokens."""
        return VocabularyLookup(self._settings, self.vocabulary.keep_rows(rows))

    def ids(self, texts: Sequence[str]) -> tuple[Ids, Counts]:
        """Return the ids of all texts in a row, unknown ones as -1, and how many each text has."""
        flat = array("i")
        ends = np.zeros(len(texts) + 1, np.int64)
        for position, tokens in enumerate(self._splitter.cut(texts), 1):
            flat.extend(map(self._id_of, tokens, repeat(UNKNOWN)))
            ends[position] = len(flat)
        return np.frombuffer(flat, np.int32), np.diff(ends)

    def spans(self, text: str) -> Iterable[tuple[int, int, int]]:
        """Return id, first character and the character after the last one of every token."""
        return [(self._id_of(token, UNKNOWN), start, end) for token, start, end in self._splitter.spans(text)]

    def to_json(self) -> str:
        """Return a ``tokenizer.json``."""
        return interchange.write_vocabulary(self.vocabulary, self._settings)


class IdLookup(VocabularyLookup):
    """Reads token ids written in figures: the tokens of the vocabulary are its own ids.

    Where PAD is reserved, id 0 is dropped, which is what a mask does; otherwise it is a token like any other.
    """

    @classmethod
    def of_size(cls, settings: TextSettings) -> "IdLookup":
        """Return the lookup of the ids from 0 to ``settings.vocabulary_size`` - 1."""
        first = len(settings.reserved)
        return cls(settings, Vocabulary(settings.reserved, [str(k) for k in range(first, settings.vocabulary_size)]))

    @classmethod
    def fit(cls, chunks: Iterable[Sequence[str]], settings: TextSettings) -> "IdLookup":
        """Refuse: there is nothing to learn from texts that are ids."""
        raise TokenizerError(
            "text.tokenizer 'ids' belongs to imported networks and learns nothing; train with 'word', which takes "
            "figures for words."
        )

    def ids(self, texts: Sequence[str]) -> tuple[Ids, Counts]:
        """Return the ids of all texts in a row, dropped ones as -1, and how many each text has.

        Raises
        ------
        TokenizerError
            If a text holds anything but ids of the vocabulary.
        """
        found, counts = super().ids(texts)
        for position in np.unique(np.searchsorted(np.cumsum(counts), np.flatnonzero(found == UNKNOWN), side="right")):
            self._require_ids(texts[position])
        return found, counts

    def spans(self, text: str) -> Iterable[tuple[int, int, int]]:
        """Return id, first character and the character after the last one of every id; raises as :meth:`ids`."""
        self._require_ids(text)
        return super().spans(text)

    def keep_rows(self, rows: npt.NDArray[np.int64]) -> "VocabularyLookup":
        """Refuse: every id that can come must have its row."""
        raise TokenizerError("A classifier that reads token ids in figures cannot do without some of them.")

    def _require_ids(self, text: str) -> None:
        dropped = "0" if "pad" in self.vocabulary.reserved else None
        wrong = next((token for token in text.split() if token not in self.vocabulary.index and token != dropped), None)
        if wrong is not None:
            raise TokenizerError(
                f"{wrong!r} is no token id of this classifier, which reads ids from 0 to {len(self.vocabulary) - 1} in "
                "figures: it came without a vocabulary. Give ids, or import it again with --vocabulary FILE."
            )


def _splitter(settings: TextSettings) -> Splitter:
    if settings.delete_punctuation:
        return DeletingSplitter()
    if settings.tokenizer == "ids":
        return PatternSplitter(r"\S+")
    if settings.tokenizer == "char":
        return CharacterSplitter()
    if settings.tokenizer == "morpheme":
        return MorphemeSplitter()
    return word_splitter(filter_punctuation=settings.filter_punctuation)
