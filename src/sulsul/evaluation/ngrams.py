"""TF-IDF over n-grams of words, characters or Hangul letters, vectorised over whole corpora.

scikit-learn's ``TfidfVectorizer`` walks every n-gram in Python: on 140,000 NSMC texts (17 million character 1-4-grams)
it took 19 s, this 3 s on the same core. N-grams are identified by a 24-bit hash of their symbols instead of a
dictionary: 17 million buckets for the 850,000 n-grams of up to three words that 15,000 film reviews repeat. With 22
bits, where most buckets held several that occur once, a linear model lost 0.2 points there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Unit = Literal["word", "char", "jamo"]

BITS = 24
"""Of the hash by which an n-gram is known."""
# Texts are counted in blocks of about so many symbols, which bounds the memory of counting at some 150 MB.
_BLOCK = 1_000_000
# Where the hash of an n-gram begins; those of a first line begin elsewhere, so that they have buckets of their own.
_ANYWHERE, _FIRST_LINE = np.uint64(0), np.uint64(0xD1B54A32D192ED03)
# Hangul syllables and the letters they consist of (The Unicode Standard, section 3.12).
_FIRST_SYLLABLE, _N_SYLLABLES, _N_MEDIALS, _N_FINALS = np.uint64(0xAC00), 11_172, np.uint64(21), np.uint64(28)
_INITIAL, _MEDIAL, _BEFORE_FINAL = np.uint64(0x1100), np.uint64(0x1161), np.uint64(0x11A7)
# Multipliers of splitmix64 (Steele, Lea & Flood 2014).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


@dataclass(frozen=True, eq=False)
class TfidfFeatures:
    """Columns kept from training texts and their inverse document frequencies.

    Attributes
    ----------
    unit, longest
        What an n-gram is made of, and the largest n.
    first_line
        Whether the n-grams of a text's first line are also counted by themselves: where a text has several lines, that
        is its title, or the first of several columns.
    column
        int32 of shape (2 ** bits,): the column of each hash bucket, −1 where it is dropped.
    idf
        float64 of shape (F,).
    """

    unit: Unit
    longest: int
    column: NDArray[np.int32]
    idf: NDArray[np.float64]
    first_line: bool = False

    @property
    def bits(self) -> int:
        """Of the hash of an n-gram."""
        return len(self.column).bit_length() - 1

    @property
    def n_features(self) -> int:
        """Number of columns F."""
        return len(self.idf)


@dataclass(frozen=True, eq=False)
class KnownNgrams:
    """N-grams met in other texts.

    Attributes
    ----------
    buckets : int32 (F,)
        The hash bucket of each, rising.
    shares : float32 (F,)
        Share of the texts that held it.
    """

    buckets: NDArray[np.int32]
    shares: NDArray[np.float32]


def fit_tfidf(
    texts: Sequence[str] | pl.Series,
    unit: Unit,
    longest: int,
    *,
    min_texts: int = 2,
    first_line: bool = False,
    known: KnownNgrams | None = None,
) -> "tuple[TfidfFeatures, csr_array]":
    """Learn n-grams and their weights from training texts.

    Weights are (1 + ln count) · (1 + ln((1 + B) / (1 + texts with it))), rows scaled to length 1: scikit-learn's
    ``sublinear_tf=True, smooth_idf=True, norm="l2"``. Text is lower-cased; a word is a run of letters, digits or
    underscores (one letter is enough: Korean has many), or a punctuation mark (7,000 IMDB reviews show no difference;
    in short ones a mark is often all that is said). Runs of white space count as one space, and characters are read
    across word borders with a space at both ends, if there are any. Jamo are characters with every Hangul syllable
    taken apart into its two or three letters, so that 갔 and 가다 share what they have in common.

    Parameters
    ----------
    texts
        B training texts.
    unit, longest
        N-grams of 1 to ``longest`` words, characters or letters.
    min_texts
        An n-gram in fewer training texts is dropped, unless that would drop all.
    first_line
        Also count the n-grams of the first of several lines by themselves.
    known
        N-grams to keep in any case, with the share of texts that they have elsewhere.

    Returns
    -------
    features
        For :func:`transform_tfidf`.
    matrix
        float64 of shape (B, F) for the training texts.
    """
    counts = count_ngrams(texts, unit, longest, first_line=first_line)
    texts_with = np.bincount(counts.indices, minlength=counts.shape[1])
    kept = np.flatnonzero(texts_with >= min_texts)
    if known is not None:
        kept = np.union1d(kept, known.buckets)
    if not len(kept):
        kept = np.flatnonzero(texts_with)
    if not len(kept):
        kept = np.zeros(1, np.int64)  # no text holds anything: one column of zeros keeps the matrix legal
    column = np.full(counts.shape[1], -1, np.int32)
    column[kept] = np.arange(len(kept), dtype=np.int32)
    rarity = texts_with[kept].astype(np.float64)
    if known is not None:
        rarity[column[known.buckets]] = known.shares.astype(np.float64) * counts.shape[0]
    idf = 1.0 + np.log((1 + counts.shape[0]) / (1 + rarity))
    features = TfidfFeatures(unit, longest, column, idf, first_line)
    return features, _weigh(counts, features)


def transform_tfidf(texts: Sequence[str] | pl.Series, features: TfidfFeatures) -> "csr_array":
    """Return the (B, F) matrix of other texts; n-grams not learned in training are left out."""
    counts = count_ngrams(texts, features.unit, features.longest, first_line=features.first_line, bits=features.bits)
    return _weigh(counts, features)


def ngram_buckets(text: str, features: TfidfFeatures) -> list[list[NDArray[np.int64]]]:
    """Return the bucket of every n-gram of one text: an array for n = 1 … ``longest``, in the text's order.

    A second such list holds those of the first line alone, where they are counted too; its symbols are the first ones
    of the text.
    """
    series = pl.Series([text], dtype=pl.String)
    found = []
    for symbols, offsets, state in _streams(series, features.unit, first_line=features.first_line):
        lengths = [max(0, len(symbols) - n) for n in range(features.longest)]
        keys = _keys(symbols, offsets, features.longest, state, features.bits)
        found.append(np.split(keys, np.cumsum(lengths)[:-1]))
    return found


def _weigh(counts: "csr_array", features: TfidfFeatures) -> "csr_array":
    from scipy.sparse import csr_array

    columns = features.column[counts.indices]
    kept = columns >= 0
    row_ends = np.concatenate([[0], np.cumsum(kept)])[counts.indptr]
    row_ends = row_ends.astype(np.int32 if row_ends[-1] < 2**31 else np.int64)  # LIBLINEAR takes 32-bit indices only
    columns = columns[kept]
    values = (1.0 + np.log(counts.data[kept], dtype=np.float64)) * features.idf[columns]
    row = np.repeat(np.arange(counts.shape[0]), np.diff(row_ends))
    values /= np.sqrt(np.bincount(row, weights=values**2, minlength=counts.shape[0]))[row]
    return csr_array((values, columns, row_ends), shape=(counts.shape[0], features.n_features))


def count_ngrams(
    texts: Sequence[str] | pl.Series, unit: Unit, longest: int, *, first_line: bool = False, bits: int = BITS
) -> "csr_array":
    """Count the hashed n-grams of every text: float32 of shape (B, 2 ** bits), columns sorted within a row."""
    from scipy.sparse import csr_array

    series = texts if isinstance(texts, pl.Series) else pl.Series(texts, dtype=pl.String)
    streams = _streams(series, unit, first_line=first_line)
    buckets, counts, lengths = [np.zeros(0, np.int32)], [np.zeros(0, np.float32)], [np.zeros(1, np.int64)]
    for first, last in _blocks(streams[0][1]):
        parts = [_keys(symbols, offsets[first : last + 1], longest, state, bits) for symbols, offsets, state in streams]
        keys = np.sort(np.concatenate(parts))
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        distinct = keys[starts]
        buckets.append((distinct & ((1 << bits) - 1)).astype(np.int32))
        counts.append(np.diff(starts, append=len(keys)).astype(np.float32))
        lengths.append(np.bincount(distinct >> bits, minlength=last - first))
    row_ends = np.cumsum(np.concatenate(lengths))
    shape = (len(series), 1 << bits)
    return csr_array((np.concatenate(counts), np.concatenate(buckets), row_ends), shape=shape)


def _streams(
    texts: pl.Series, unit: Unit, *, first_line: bool
) -> list[tuple[NDArray[np.uint64], NDArray[np.int64], np.uint64]]:
    """Return what n-grams are made of: symbols, where each text starts, and where their hash begins."""
    symbols_of = {"word": _words, "char": _characters, "jamo": _letters}[unit]
    streams = [(*symbols_of(texts), _ANYWHERE)]
    if first_line:
        lines = texts.str.splitn("\n", 2)
        several = lines.struct.field("field_1").is_not_null()
        first = lines.struct.field("field_0").zip_with(several, pl.Series([""]))
        streams.append((*symbols_of(first), _FIRST_LINE))
    return streams


def _keys(
    symbols: NDArray[np.uint64], offsets: NDArray[np.int64], longest: int, start: np.uint64, bits: int
) -> NDArray[np.int64]:
    """Return text number · 2 ** bits + bucket for every n-gram of the texts between ``offsets``."""
    text = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    unigram = symbols[offsets[0] : offsets[-1]]
    state = np.full(len(unigram), start)
    keys = []
    for n in range(1, longest + 1):
        end = unigram[n - 1 :]
        state = _mixed(state[: len(end)] * _GOLDEN + end + np.uint64(n))
        within = text[: len(end)] == text[n - 1 :]
        bucket = (state >> np.uint64(64 - bits)).astype(np.int64)
        keys.append(((text[: len(end)] << bits) | bucket)[within])
    return np.concatenate(keys)


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * _MIX
    return np.asarray((state ^ (state >> np.uint64(27))) * _GOLDEN, dtype=np.uint64)


def _blocks(offsets: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield ranges of texts with about ``_BLOCK`` symbols each, at least one text."""
    first, n_texts = 0, len(offsets) - 1
    while first < n_texts:
        last = int(np.searchsorted(offsets, offsets[first] + _BLOCK, side="right")) - 1
        last = min(max(last, first + 1), n_texts)
        yield first, last
        first = last


def _characters(texts: pl.Series) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return code points and where each text starts."""
    bare = texts.str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars(" ")
    spaced = (" " + bare + " ").set(bare == "", "")
    code_points = np.frombuffer("".join(spaced.to_list()).encode("utf-32-le"), dtype=np.uint32)
    return code_points.astype(np.uint64), _offsets(spaced.str.len_chars())


def _letters(texts: pl.Series) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return code points, those of Hangul letters for their syllables, and where each text starts."""
    code_points, offsets = _characters(texts)
    counts = letter_counts(code_points)
    starts = np.cumsum(counts) - counts
    letters = np.repeat(code_points, counts)
    at, closed = starts[counts > 1], starts[counts > 2]
    syllable = letters[at] - _FIRST_SYLLABLE
    letters[closed + 2] = _BEFORE_FINAL + (letters[closed] - _FIRST_SYLLABLE) % _N_FINALS
    letters[at] = _INITIAL + syllable // (_N_MEDIALS * _N_FINALS)
    letters[at + 1] = _MEDIAL + syllable // _N_FINALS % _N_MEDIALS
    return letters, np.concatenate([starts, [len(letters)]])[offsets]


def letter_counts(code_points: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return how many jamo each character (n,) is: two or three for a Hangul syllable, one for all else.

    Examples
    --------
    >>> letter_counts(np.array([ord(character) for character in "가갔ㄱx"], np.uint64)).tolist()
    [2, 3, 1, 1]
    """
    syllable = code_points - _FIRST_SYLLABLE  # of smaller ones it wraps around: they become large
    return np.where(syllable < _N_SYLLABLES, 2 + (syllable % _N_FINALS > 0), 1)


def _words(texts: pl.Series) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return a number per word or punctuation mark, and where each text starts."""
    words = texts.str.to_lowercase().str.extract_all(r"\w+|[^\w\s]")
    flat = words.filter(words.list.len() > 0).explode(empty_as_null=False)
    return _string_hashes(flat), _offsets(words.list.len())


def _string_hashes(words: pl.Series) -> NDArray[np.uint64]:
    """Hash each distinct word from its characters alone, so that equal words agree between calls and machines.

    Polars's own hash may change between its versions, and a baseline must repeat.
    """
    distinct = words.unique(maintain_order=True)
    code_points = np.frombuffer("".join(distinct.to_list()).encode("utf-32-le"), dtype=np.uint32)
    offsets = _offsets(distinct.str.len_chars())
    lengths = np.diff(offsets)
    state = _mixed(lengths.astype(np.uint64) + _MIX)
    for position in range(int(lengths.max(initial=0))):
        longer = np.flatnonzero(lengths > position)
        symbol = code_points[offsets[longer] + position].astype(np.uint64)
        state[longer] = _mixed(state[longer] * _GOLDEN + symbol + np.uint64(1))
    numbers = pl.DataFrame({"word": distinct, "number": pl.Series(state, dtype=pl.UInt64)})
    joined = pl.DataFrame({"word": words}).join(numbers, on="word", how="left", maintain_order="left")
    return joined["number"].to_numpy()


def _offsets(lengths: pl.Series) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths.to_numpy(), dtype=np.int64)])
