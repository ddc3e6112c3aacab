"""From the n-grams of words to rows of an embedding table: learned ones, or any by its hash."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from sulsul.text.character_ngrams import Int64, MarkedWords, Positions

_FNV_OFFSET, _FNV_PRIME = np.uint32(0x811C9DC5), np.uint32(0x01000193)
# Shifts of UTF-8's bytes behind the first one, and the least code point that has such a byte.
_CONTINUATIONS = ((np.uint32(12), 0x10000), (np.uint32(6), 0x800), (np.uint32(0), 0x80))


class Parts(NamedTuple):
    """N-grams of one length that have a row: the word each is in, rising, and its row."""

    words: Positions
    rows: Int64


class NgramRows(Protocol):
    """Finds the rows of n-grams."""

    def parts(self, marked: MarkedWords) -> Iterator[Parts]:
        """Yield the n-grams of all words, one length after the other."""
        ...


class _Level(NamedTuple):
    """The n-grams and beginnings of n-grams of one length."""

    keys: Int64
    """Sorted: position of the one-character-shorter beginning in its level, times the alphabet, plus the character."""
    rows: Int64
    """The row of each; -1 for what is only a beginning."""


class LearnedRows:
    """The rows of learned n-grams; others have none.

    N-grams are looked up by their beginnings, a character at a time, so a key is one number whatever the length.

    Parameters
    ----------
    ngrams
        In the order of their rows, each once.
    first_row
        Row of the first one.
    """

    def __init__(self, ngrams: Sequence[str], first_row: int) -> None:
        codes = np.frombuffer("".join(ngrams).encode("utf-32-le"), np.uint32)
        lengths = np.fromiter(map(len, ngrams), np.int64, len(ngrams))
        starts = np.cumsum(lengths) - lengths
        alphabet = np.unique(codes)
        self._alphabet_size = len(alphabet) + 1
        # Character 0 is any that no n-gram holds; the last entry stands for all code points beyond.
        self._character_of = np.zeros(int(alphabet[-1]) + 2 if len(alphabet) else 1, np.int64)
        self._character_of[alphabet] = np.arange(1, len(alphabet) + 1)
        self._levels: list[_Level] = []
        which, node = np.arange(len(ngrams)), np.zeros(len(ngrams), np.int64)
        for n in range(1, int(lengths.max(initial=0)) + 1):
            longer = lengths[which] >= n
            which, node = which[longer], node[longer]
            keys = node * self._alphabet_size + self._character_of[codes[starts[which] + n - 1]]
            level_keys, node = np.unique(keys, return_inverse=True)
            rows = np.full(len(level_keys), -1)
            whole = lengths[which] == n
            rows[node[whole]] = first_row + which[whole]
            self._levels.append(_Level(level_keys, rows))

    def parts(self, marked: MarkedWords) -> Iterator[Parts]:
        """Yield the n-grams of all words that were learned, one length after the other."""
        characters = self._character_of[np.minimum(marked.codes, len(self._character_of) - 1)]
        at, node = np.arange(len(characters)), np.zeros(len(characters), np.int64)
        for n, level in enumerate(self._levels, 1):
            kept = marked.room[at] >= n
            at = at[kept]
            keys = node[kept] * self._alphabet_size + characters[at + n - 1]
            node = np.minimum(np.searchsorted(level.keys, keys), len(level.keys) - 1)
            found = level.keys[node] == keys
            at, node = at[found], node[found]
            rows = level.rows[node]
            has_row = (rows >= 0) & ~marked.is_mark[at] if n == 1 else rows >= 0
            yield Parts(marked.word_of[at[has_row]], rows[has_row])


class HashedRows:
    """A row for any n-gram by the 32-bit FNV-1a hash of its UTF-8 bytes; different n-grams may share one.

    Fowler, Noll and Vo, "The FNV non-cryptographic hash algorithm" (IETF draft-eastlake-fnv). fastText hashes n-grams
    by the same function but extends the sign of every byte, so its numbers differ beyond ASCII.

    Parameters
    ----------
    lengths
        Shortest and longest n-gram, in characters.
    n_buckets
        Number of rows.
    first_row
        The first of them.
    """

    def __init__(self, lengths: tuple[int, int], n_buckets: int, first_row: int) -> None:
        self._lengths = lengths
        self._n_buckets = np.uint32(n_buckets)
        self._first_row = first_row

    def parts(self, marked: MarkedWords) -> Iterator[Parts]:
        """Yield all n-grams of all words, one length after the other."""
        at, hashes = np.arange(len(marked.codes)), np.full(len(marked.codes), _FNV_OFFSET)
        for n in range(1, self._lengths[1] + 1):
            kept = marked.room[at] >= n
            at = at[kept]
            # The hash reads bytes in order, so that of a longer n-gram continues that of its beginning.
            hashes = _hashed_on(hashes[kept], marked.codes[at + n - 1])
            if n >= self._lengths[0]:
                counted = ~marked.is_mark[at] if n == 1 else np.ones(len(at), np.bool_)
                rows = self._first_row + (hashes[counted] % self._n_buckets).astype(np.int64)
                yield Parts(marked.word_of[at[counted]], rows)


def _hashed_on(hashes: npt.NDArray[np.uint32], codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Return the hashes continued by one character each, as the bytes of its UTF-8 form."""
    lead = np.where(
        codes < 0x80,
        codes,
        np.where(codes < 0x800, 0xC0 | codes >> 6, np.where(codes < 0x10000, 0xE0 | codes >> 12, 0xF0 | codes >> 18)),
    )
    hashes = (hashes ^ lead.astype(np.uint32)) * _FNV_PRIME
    for shift, least in _CONTINUATIONS:
        byte = np.uint32(0x80) | codes >> shift & np.uint32(0x3F)
        hashes = np.where(codes >= least, (hashes ^ byte) * _FNV_PRIME, hashes)
    return hashes


def parts_by_word(parts: Sequence[Parts], n_words: int) -> tuple[Int64, npt.NDArray[np.int32]]:
    """Return how many parts each word has (W,), and the rows of the first word's parts, then the second's, and so on.

    A word's parts are in the order of ``parts``, then of their places in the word: a sum of them is the same to the bit
    whatever other words there are.
    """
    counts = np.stack([np.bincount(part.words, minlength=n_words) for part in parts], axis=1)
    starts = (np.cumsum(counts) - counts.ravel()).reshape(counts.shape)
    rows = np.zeros(int(counts.sum()), np.int32)
    for column, part in enumerate(parts):
        own = counts[:, column]
        rank = np.arange(len(part.words)) - (np.cumsum(own) - own)[part.words]
        rows[starts[part.words, column] + rank] = part.rows
    return counts.sum(axis=1), rows
