"""Strings -> token ids, fitted on training texts."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from sulsul.errors import TokenizerError
from sulsul.text.arrangement import UNKNOWN, Counts, Ids, arrange, count_marked
from sulsul.text.lookup import IdLookup, Lookup, Reader, VocabularyLookup
from sulsul.text.normalisation import normalise, normalise_with_origins
from sulsul.text.settings import TextSettings
from sulsul.text.subwords import SubwordLookup
from sulsul.text.vocabulary import Vocabulary
from sulsul.text.word_ngrams import NgramLookup
from sulsul.text.word_types import WordTypes

_CHUNK_CHARACTERS = 1 << 18  # texts are encoded in chunks of about this size, so that temporaries stay small
_SERIES_TEXTS = 256  # texts of a column that become Python strings at once


class Encoded(NamedTuple):
    """Sequences in a row, and what each was made from."""

    token_ids: Ids
    """int32 (N,): the sequences in a row."""
    offsets: npt.NDArray[np.int64]
    """int64 (B+1,): sequence ``b`` is ``token_ids[offsets[b]:offsets[b + 1]]``."""
    full_lengths: Counts
    """int64 (B,): length before truncation and padding, START included, dropped tokens not."""
    token_counts: Counts
    """int64 (B,): tokens found in the text, known or not, before anything is added or cut."""
    unknown_counts: Counts
    """int64 (B,): how many of them are outside the vocabulary of whole tokens."""
    unread_counts: Counts
    """int64 (B,): how many of those leave the model nothing but OOV, or nothing: all, but for words with n-grams."""
    types: WordTypes | None = None
    """What the token ids stand for under ``settings.ngrams``; None where they are rows of the embedding."""


class Tokenizer:
    """Turns texts into sequences of token ids.

    Build one with :meth:`fit` or :meth:`from_json`. Everything is applied: NFC, lower case, cutting into tokens,
    look-up, OOV, START, truncation, padding.

    With ``settings.ngrams`` a token id is the position of a word in a table that belongs to the call
    (:attr:`Encoded.types`), whose first entries are the reserved tokens; without, it is a row of the embedding.

    Examples
    --------
    >>> tokenizer = Tokenizer.fit(["so good", "so bad"], TextSettings())
    >>> tokenizer.vocabulary()
    ['[PAD]', '[OOV]', 'so', 'good', 'bad']
    >>> token_ids, offsets = tokenizer.encode(["so so", "", "not bad"])
    >>> token_ids.tolist(), offsets.tolist()
    ([2, 2, 1, 4], [0, 2, 2, 4])
    """

    def __init__(self, settings: TextSettings, lookup: Lookup) -> None:
        self.settings = settings
        self._lookup = lookup

    @classmethod
    def fit(cls, texts: Iterable[str], settings: TextSettings) -> "Tokenizer":
        """Learn the vocabulary of the training texts.

        Parameters
        ----------
        texts
            The training texts, read once; may be a stream.
        settings
            Kind of tokenizer and size of the vocabulary.

        Raises
        ------
        TokenizerError
            If the texts hold no token at all, or none reaches ``min_frequency``.
        """
        lookup = _kind(settings).fit(_chunks(_normalised(texts, settings)), settings)
        if not lookup.vocabulary.tokens:
            raise TokenizerError(
                f"The training texts hold no token that occurs at least {settings.min_frequency} time(s): there is "
                "nothing to learn a vocabulary from. Check the text column, or lower min_frequency."
            )
        return cls(settings, lookup)

    @classmethod
    def from_json(cls, text: str, settings: TextSettings) -> "Tokenizer":
        """Rebuild a tokenizer from what :meth:`to_json` returned.

        Parameters
        ----------
        text
            A ``tokenizer.json``.
        settings
            The settings it was fitted with; the file itself holds only what Hugging Face's format has room for.

        Raises
        ------
        TokenizerError
            If the text is not such a file, or does not belong to the settings.
        """
        return cls(settings, _kind(settings).from_json(text, settings))

    @classmethod
    def from_words(cls, words: Sequence[str], settings: TextSettings) -> "Tokenizer":
        """Return the tokenizer of a vocabulary made elsewhere.

        Parameters
        ----------
        words
            In the order of their ids, which begin behind the reserved ones. Left empty for ``ids``, whose vocabulary
            is the numbers below ``settings.vocabulary_size``.
        settings
            Of a kind that looks whole tokens up.

        Raises
        ------
        TokenizerError
            If a word occurs twice or is spelt like a reserved token.
        """
        if settings.tokenizer == "ids":
            return cls(settings, IdLookup.of_size(settings))
        return cls(settings, VocabularyLookup(settings, Vocabulary(settings.reserved, words)))

    def __reduce__(self) -> tuple[Callable[[str, TextSettings], "Tokenizer"], tuple[str, TextSettings]]:
        """Copy and pickle by way of :meth:`to_json`."""
        return Tokenizer.from_json, (self.to_json(), self.settings)

    def to_json(self) -> str:
        """Return a ``tokenizer.json`` that Hugging Face's ``tokenizers.Tokenizer.from_str`` reads too.

        It gives the same ids, START included; truncation and padding are in :attr:`settings`. Where the settings
        reserve no OOV, it gives unknown tokens the id ``vocabulary_size``, which is for the reader to drop.
        ``morpheme`` files hold the vocabulary only: they expect morphemes separated by spaces. Learned n-grams are in
        the vocabulary with a space in front; that reader gives the ids of whole words.
        """
        return self._lookup.to_json()

    def keep_rows(self, rows: npt.NDArray[np.int64]) -> "Tokenizer":
        """Return a tokenizer that knows only some rows of the embedding, numbered anew in their order.

        Parameters
        ----------
        rows
            Rising row numbers, those of all reserved tokens and of all buckets of hashed n-grams among them. What a
            text loses by it is unknown from then on.

        Raises
        ------
        TokenizerError
            If a row that must stay is missing, or the pieces of words depend on each other (``subword``).
        """
        return Tokenizer(self.settings, self._lookup.keep_rows(rows))

    @property
    def n_fixed_rows(self) -> int:
        """Number of rows that :meth:`keep_rows` must keep: the first ones, and the buckets behind all others."""
        return self._lookup.n_fixed_rows

    @property
    def vocabulary_size(self) -> int:
        """Number V of rows that an embedding needs: for reserved tokens, tokens, and n-grams or their buckets."""
        return self._lookup.n_rows

    def vocabulary(self) -> list[str]:
        """Return the name of every row: reserved ones as ``[PAD]`` and so on, n-grams with a space in front."""
        return self._lookup.names()

    @property
    def unknown_id(self) -> int | None:
        """The id of unknown tokens; None where they are dropped."""
        return self._lookup.vocabulary.reserved_id("oov")

    def encode(self, texts: Iterable[str] | pl.Series) -> tuple[Ids, npt.NDArray[np.int64]]:
        """Return the sequences of ``texts``.

        Parameters
        ----------
        texts
            Strings; an empty one becomes a sequence of length 0, or of START alone where START is reserved.

        Returns
        -------
        token_ids : int32 (N,)
            All sequences in a row.
        offsets : int64 (B+1,)
            Sequence ``b`` is ``token_ids[offsets[b]:offsets[b + 1]]``.

        Raises
        ------
        TokenizerError
            If a text is not a string, or with ``settings.ngrams``: ids alone mean nothing then.
        """
        if self.settings.ngrams is not None:
            raise TokenizerError(
                "The ids of a tokenizer with n-grams are positions in a table of the words met; "
                "call encode_with_lengths, which returns the table as types."
            )
        encoded = self.encode_with_lengths(texts)
        return encoded.token_ids, encoded.offsets

    def encode_with_lengths(self, texts: Iterable[str] | pl.Series) -> Encoded:
        """Return the sequences as :meth:`encode` does, their full lengths, and how many tokens were unknown.

        Raises
        ------
        TokenizerError
            If a text is not a string.
        """
        encoding = self.encoding()
        return encoding.append(texts)._replace(types=encoding.new_types())

    def encoding(self) -> "Encoding":
        """Return what encodes texts in several calls as :meth:`encode_with_lengths` does in one."""
        return Encoding(self._lookup.reader(), self.settings)

    def encode_with_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the sequence of one text and where in it each token lies.

        Parameters
        ----------
        text
            One string.

        Returns
        -------
        token_ids : list of int
            As :meth:`encode_with_lengths` gives them for this text alone.
        spans : list of (int, int)
            ``text[start:end]`` is what the token was made from, in characters of ``text`` as given, before NFC.
            START and PAD have an empty span at the end of the text they stand at.

        Raises
        ------
        TokenizerError
            If the text is not a string.
        """
        _require_text(text, 0)
        normalised, origins = normalise_with_origins(text, lowercase=self.settings.lowercase)
        found = list(self._lookup.reader().spans(normalised))
        if self.unknown_id is None:
            found = [entry for entry in found if entry[0] != UNKNOWN]
        ids = np.array([entry[0] for entry in found], np.int32)
        token_ids, _, full = arrange(ids, np.array([len(ids)]), self.settings)
        spans = [(origins[start], origins[end]) for _, start, end in found]
        return token_ids.tolist(), self._arranged_spans(spans, int(full[0]), len(token_ids), len(text))

    def _arranged_spans(
        self, spans: list[tuple[int, int]], full: int, length: int, n_characters: int
    ) -> list[tuple[int, int]]:
        """Do to spans what :func:`arrange` does to ids."""
        settings = self.settings
        spans = [(0, 0)] * (full - len(spans)) + spans
        if settings.max_length is not None:
            spans = spans[-settings.max_length :] if settings.truncate == "front" else spans[: settings.max_length]
        n_pad = length - len(spans)
        if settings.pad_side == "before":
            return [(0, 0)] * n_pad + spans
        return spans + [(n_characters, n_characters)] * n_pad


def _kind(settings: TextSettings) -> type[VocabularyLookup] | type[SubwordLookup] | type[NgramLookup]:
    if settings.ngrams is not None:
        return NgramLookup
    if settings.tokenizer == "ids":
        return IdLookup
    return SubwordLookup if settings.tokenizer == "subword" else VocabularyLookup


class Encoding:
    """Encodes texts block by block: with ``settings.ngrams`` all ids are positions in one table of types."""

    def __init__(self, reader: Reader, settings: TextSettings) -> None:
        self._reader = reader
        self._settings = settings

    def append(self, texts: Iterable[str] | pl.Series) -> Encoded:
        """Return the sequences of further texts, without types.

        Raises
        ------
        TokenizerError
            If a text is not a string.
        """
        token_ids = array("i")
        counts: list[npt.NDArray[np.int64]] = [np.zeros((5, 0), np.int64)]
        reader = self._reader
        for chunk in _chunks(_normalised(texts, self._settings)):
            found, token_counts = reader.ids(chunk)
            ids, lengths, full_lengths = arrange(found, token_counts, self._settings)
            token_ids.frombytes(ids.tobytes())
            unknown_counts = count_marked(reader.outside(found), token_counts)
            unread_counts = count_marked(found == UNKNOWN, token_counts)
            counts.append(np.stack([lengths, full_lengths, token_counts, unknown_counts, unread_counts]))
        lengths, full_lengths, token_counts, unknown_counts, unread_counts = np.hstack(counts)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        flat = np.frombuffer(token_ids, np.int32) if token_ids else np.zeros(0, np.int32)
        return Encoded(flat, offsets, full_lengths, token_counts, unknown_counts, unread_counts)

    def new_types(self) -> WordTypes | None:
        """Return the table's entries since the last call; None where ids are rows of the embedding."""
        return self._reader.new_types()


def _normalised(texts: Iterable[str] | pl.Series, settings: TextSettings) -> Iterator[str]:
    if isinstance(texts, str):
        raise TokenizerError("A single string was given where several texts are expected; put it in a list.")
    if isinstance(texts, pl.Series):
        texts = _streamed(texts)
    for position, text in enumerate(texts):
        _require_text(text, position)
        yield normalise(text, lowercase=settings.lowercase)


def _streamed(texts: pl.Series) -> Iterator[str]:
    """Yield a column's texts. Polars itself would make Python strings of 25,000 at a time."""
    for start in range(0, len(texts), _SERIES_TEXTS):
        yield from texts.slice(start, _SERIES_TEXTS).to_list()


def _require_text(text: object, position: int) -> None:
    if not isinstance(text, str):
        raise TokenizerError(
            f"Text {position} (counted from 0) is {text!r}, not a string. Give every text as a string."
        )


def _chunks(texts: Iterator[str]) -> Iterator[Sequence[str]]:
    chunk: list[str] = []
    size = 0
    for text in texts:
        chunk.append(text)
        size += len(text)
        if size >= _CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
