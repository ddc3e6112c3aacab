"""Words as sums: a word is its own row of the embedding and those of its character n-grams.

Token ids are positions in a table of the words that the call met (:class:`sulsul.text.word_types.WordTypes`), so a word
never seen in training still has the n-grams it shares with others.
"""

from array import array
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from sulsul.errors import TokenizerError
from sulsul.text import interchange
from sulsul.text.arrangement import UNKNOWN, Counts, Ids
from sulsul.text.character_ngrams import frequent_ngrams, mark_words
from sulsul.text.ngram_rows import HashedRows, LearnedRows, NgramRows, Parts, parts_by_word
from sulsul.text.settings import TextSettings
from sulsul.text.splitting import PatternSplitter, word_splitter
from sulsul.text.vocabulary import Vocabulary, count_tokens, most_frequent
from sulsul.text.word_types import WordTypes

NGRAM_MARK = " "
"""In front of an n-gram among the names of the rows: no word holds a space, so no word has an n-gram's name."""
MOST_REMEMBERED = 1 << 20
"""Distinct words after which a call forgets which it met: they get types anew, in 100 to 200 MB however many texts."""


class NgramLookup:
    """Cuts texts into words and gives each the rows that it is the sum of.

    The rows are the reserved tokens, the most frequent words, then the n-grams: the most frequent ones, or a number of
    buckets that they are hashed to.

    Parameters
    ----------
    settings
        Lengths of the n-grams, and whether they are hashed.
    vocabulary
        Reserved tokens, words, and behind them learned n-grams, each with :data:`NGRAM_MARK` in front.

    Raises
    ------
    TokenizerError
        If the n-grams are not behind the words, have other lengths than the settings say, or are there though hashed.
    """

    def __init__(self, settings: TextSettings, vocabulary: Vocabulary) -> None:
        assert settings.ngrams is not None
        self.vocabulary = vocabulary
        self._settings = settings
        self._splitter = word_splitter(filter_punctuation=settings.filter_punctuation)
        ngrams = [token[1:] for token in vocabulary.tokens if token.startswith(NGRAM_MARK)]
        n_words = len(vocabulary.tokens) - len(ngrams)
        _check_ngrams(vocabulary.tokens[:n_words], ngrams, settings)
        first_row = len(vocabulary.reserved) + n_words
        self._ngram_rows: NgramRows = (
            LearnedRows(ngrams, first_row)
            if settings.ngram_buckets is None
            else HashedRows(settings.ngrams, settings.ngram_buckets, first_row)
        )

    @classmethod
    def fit(cls, chunks: Iterable[Sequence[str]], settings: TextSettings) -> "NgramLookup":
        """Learn the most frequent words and n-grams of normalised texts, given in chunks."""
        assert settings.ngrams is not None
        splitter = word_splitter(filter_punctuation=settings.filter_punctuation)
        counts = count_tokens(map(splitter.cut, chunks))
        limit = settings.vocabulary_size - len(settings.reserved)
        words = most_frequent(counts, limit=limit, min_frequency=settings.min_frequency)
        ngrams: list[str] = []
        if settings.ngram_buckets is None:
            ngrams = frequent_ngrams(
                counts,
                settings.ngrams,
                limit=settings.ngram_vocabulary_size,
                min_frequency=settings.ngram_min_frequency,
            )
        return cls(settings, Vocabulary(settings.reserved, [*words, *(NGRAM_MARK + ngram for ngram in ngrams)]))

    @classmethod
    def from_json(cls, text: str, settings: TextSettings) -> "NgramLookup":
        """Rebuild from what :meth:`to_json` returned."""
        return cls(settings, interchange.read_vocabulary(text, settings))

    @property
    def n_fixed_rows(self) -> int:
        """Number of reserved tokens and buckets."""
        return len(self.vocabulary.reserved) + (self._settings.ngram_buckets or 0)

    def keep_rows(self, rows: npt.NDArray[np.int64]) -> "NgramLookup":
        """Return a look-up of some words and n-grams.

        Raises
        ------
        TokenizerError
            If a reserved row or a bucket is missing.
        """
        n_named = len(self.vocabulary)
        if rows[rows >= n_named].tolist() != list(range(n_named, self.n_rows)):
            raise TokenizerError("Any n-gram may be hashed to any bucket: none can be left out.")
        return NgramLookup(self._settings, self.vocabulary.keep_rows(rows[rows < n_named]))

    @property
    def n_rows(self) -> int:
        """Number of rows of the embedding table, V."""
        return len(self.vocabulary) + (self._settings.ngram_buckets or 0)

    def names(self) -> list[str]:
        """Return the name of every row: reserved tokens, words, marked n-grams or numbered buckets."""
        buckets = range(self._settings.ngram_buckets or 0)
        return [*self.vocabulary.names(), *(f"{NGRAM_MARK}bucket {bucket}" for bucket in buckets)]

    def reader(self) -> "WordReader":
        """Return what reads the texts of one call."""
        return WordReader(self.vocabulary, self._splitter, self._ngram_rows)

    def to_json(self) -> str:
        """Return a ``tokenizer.json``."""
        return interchange.write_vocabulary(self.vocabulary, self._settings)


class WordReader:
    """Numbers the words of a call, from the reserved tokens on, and finds the parts of each once.

    A word of which nothing is known, neither itself nor an n-gram, is :data:`UNKNOWN`. Any other unknown word is the
    sum of its n-grams alone: a row for unknown words would hardly be trained, since in training few words are unknown,
    and it would blur just the words that n-grams are there for.

    Parameters
    ----------
    vocabulary
        Knows the rows of words.
    splitter
        Cuts texts into words.
    ngram_rows
        Finds the rows of n-grams.
    """

    def __init__(self, vocabulary: Vocabulary, splitter: PatternSplitter, ngram_rows: NgramRows) -> None:
        n_reserved = len(vocabulary.reserved)
        self._row_of = vocabulary.index
        self._splitter = splitter
        self._ngram_rows = ngram_rows
        self._numbers = _Numbering(n_reserved)
        self._part_counts = [np.ones(n_reserved, np.int64)]
        self._part_ids = [np.arange(n_reserved, dtype=np.int32)]
        # Of every type, one byte each; they grow in place.
        self._is_outside, self._is_unread = bytearray(n_reserved), bytearray(n_reserved)

    def ids(self, texts: Sequence[str]) -> tuple[Ids, Counts]:
        """Return the ids of all texts in a row, unknown ones as -1, and how many each text has."""
        flat = array("i")
        ends = np.zeros(len(texts) + 1, np.int64)
        for position, words in enumerate(self._splitter.cut(texts), 1):
            flat.extend(map(self._numbers.__getitem__, words))
            ends[position] = len(flat)
            if len(self._numbers) >= MOST_REMEMBERED:
                self._numbers.forget()
        self._find_parts()
        ids = np.frombuffer(flat, np.int32)
        ids[_flags(self._is_unread, ids)] = UNKNOWN
        return ids, np.diff(ends)

    def spans(self, text: str) -> Iterable[tuple[int, int, int]]:
        """Return id, first character and the character after the last one of every token."""
        ids, _ = self.ids([text])
        places = ((start, end) for _, start, end in self._splitter.spans(text))
        return [(token_id, start, end) for token_id, (start, end) in zip(ids.tolist(), places, strict=True)]

    def outside(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Return which of the ids that :meth:`ids` gave are words outside the vocabulary, n-grams or not."""
        found: npt.NDArray[np.bool_] = _flags(self._is_outside, ids) | (ids == UNKNOWN)
        return found

    def new_types(self) -> WordTypes:
        """Return what the ids given since the last call stand for, those behind the ones that were returned before."""
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(self._part_counts))])
        types = WordTypes(offsets, np.concatenate(self._part_ids))
        self._part_counts, self._part_ids = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
        return types

    def _find_parts(self) -> None:
        words, self._numbers.new = self._numbers.new, []
        if not words:
            return
        rows = np.fromiter((self._row_of.get(word, UNKNOWN) for word in words), np.int64, len(words))
        (known,) = np.nonzero(rows != UNKNOWN)
        parts = [Parts(known, rows[known]), *self._ngram_rows.parts(mark_words(words))]
        counts, part_ids = parts_by_word(parts, len(words))
        self._part_counts.append(counts)
        self._part_ids.append(part_ids)
        self._is_outside += (rows == UNKNOWN).tobytes()
        self._is_unread += (counts == 0).tobytes()


def _flags(flags: bytearray, ids: Ids) -> npt.NDArray[np.bool_]:
    """Return the flags of ids as a copy, so that the flags can grow again; that of -1 is any."""
    return np.frombuffer(flags, np.bool_)[ids] if flags else np.zeros(len(ids), np.bool_)


class _Numbering(dict[str, int]):
    """Gives every word a number when it is first asked for, from what numbers are left."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self._first = first
        self.new: list[str] = []
        """Words since this was last emptied."""

    def __missing__(self, word: str) -> int:
        number = self[word] = self._first + len(self)
        self.new.append(word)
        return number

    def forget(self) -> None:
        """Give every word a new number when it is next asked for."""
        self._first += len(self)
        self.clear()


def _check_ngrams(words: Sequence[str], ngrams: Sequence[str], settings: TextSettings) -> None:
    """Refuse n-grams that the settings cannot have learned."""
    assert settings.ngrams is not None
    shortest, longest = settings.ngrams
    if settings.ngram_buckets is not None and ngrams:
        wrong = f"it holds {len(ngrams)} n-grams where the settings hash them"
    elif any(word.startswith(NGRAM_MARK) for word in words):
        wrong = "words and n-grams are mixed"
    elif any(not shortest <= len(ngram) <= longest for ngram in ngrams):
        wrong = f"it holds n-grams of other lengths than {shortest} to {longest}"
    else:
        return
    raise TokenizerError(
        f"tokenizer.json does not fit its settings: {wrong}. It belongs to another run; restore the right file or "
        "train again."
    )
