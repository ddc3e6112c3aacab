"""Token ids by byte pair encoding learned on the training texts (Sennrich, Haddow and Birch, 2016)."""

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sulsul.errors import TokenizerError
from sulsul.text import interchange
from sulsul.text.arrangement import UNKNOWN, Counts, Ids
from sulsul.text.lookup import PlainIds
from sulsul.text.settings import TextSettings
from sulsul.text.splitting import PatternSplitter, word_splitter
from sulsul.text.vocabulary import Vocabulary, count_tokens, most_frequent

if TYPE_CHECKING:
    import tokenizers

SPACE_MARK = "\u2581"
"""Stands for the white space before a word, as in SentencePiece."""

_LINE_WORDS = 1000  # words handed to the trainer at once
_CACHED_WORDS = 1 << 16


class SubwordLookup(PlainIds):
    """Cuts words into pieces by learned merges; the work is done by :mod:`tokenizers`.

    Words are first cut at white space and at punctuation, which is always a piece of its own, so no piece spans two
    words and no text can spell a reserved token.

    Parameters
    ----------
    settings
        Decide the reserved ids.
    tokenizer
        A BPE tokenizer of Hugging Face's whose ids are final.
    vocabulary
        Its pieces.
    """

    def __init__(self, settings: TextSettings, tokenizer: "tokenizers.Tokenizer", vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._tokenizer = tokenizer
        unknown = vocabulary.reserved_id("oov")
        self._unknown_id = len(vocabulary) if unknown is None else unknown
        self._splitter = _word_splitter()
        # A word is always cut alike, so its ids are kept. Over 5,000 film reviews (1.5 million words) that takes 1.1 s
        # of processor time where `encode_batch_fast`, with its own cache of 10,000 words, takes 3.3 s for equal ids.
        self._word_ids = lru_cache(_CACHED_WORDS)(self._encode_word)

    @classmethod
    def fit(cls, chunks: Iterable[Sequence[str]], settings: TextSettings) -> "SubwordLookup":
        """Learn pieces from normalised texts, given in chunks. The same texts always give the same pieces.

        Raises
        ------
        TokenizerError
            If the vocabulary leaves room for fewer than two pieces.
        """
        n_pieces = settings.vocabulary_size - len(settings.reserved)
        if n_pieces < 2:
            raise TokenizerError(
                f"vocabulary_size is {settings.vocabulary_size}, {len(settings.reserved)} ids of it reserved: subwords "
                "need room for two pieces or more, and thousands are usual. Raise vocabulary_size."
            )
        words = count_tokens(map(_word_splitter().cut, chunks))
        model = _train(words, n_pieces, settings.min_frequency)
        pieces = sorted(model["vocab"], key=model["vocab"].__getitem__)
        vocabulary = Vocabulary(settings.reserved, pieces)
        return cls(settings, _build(vocabulary, model["merges"], settings), vocabulary)

    @classmethod
    def from_json(cls, text: str, settings: TextSettings) -> "SubwordLookup":
        """Rebuild from what :meth:`to_json` returned.

        Raises
        ------
        TokenizerError
            If the text is not such a file or does not belong to the settings.
        """
        model = interchange.read_model(text, "BPE")
        vocabulary = interchange.vocabulary_of(model, settings)
        try:
            return cls(settings, _build(vocabulary, model["merges"], settings), vocabulary)
        except Exception as error:  # the library raises bare Exception for a merge outside the vocabulary
            raise TokenizerError(f"tokenizer.json: the merges are malformed ({error}). Restore the file.") from error

    @property
    def n_fixed_rows(self) -> int:
        """Number of all rows: a piece is what other pieces are merged from."""
        return len(self.vocabulary)

    def keep_rows(self, rows: npt.NDArray[np.int64]) -> "SubwordLookup":
        """Return itself where all rows stay.

        Raises
        ------
        TokenizerError
            If a row is to be left out.
        """
        if rows.tolist() != list(range(len(self.vocabulary))):
            raise TokenizerError("The pieces of a subword tokenizer are merged from each other: none can be left out.")
        return self

    def ids(self, texts: Sequence[str]) -> tuple[Ids, Counts]:
        """Return the ids of all texts in a row, unknown ones as -1, and how many each text has."""
        flat = array("i")
        ends = np.zeros(len(texts) + 1, np.int64)
        for position, words in enumerate(self._splitter.cut(texts), 1):
            flat.extend(chain.from_iterable(map(self._word_ids, words)))
            ends[position] = len(flat)
        ids = np.frombuffer(flat, np.int32)
        ids[ids == self._unknown_id] = UNKNOWN
        return ids, np.diff(ends)

    def _encode_word(self, word: str) -> tuple[int, ...]:
        return tuple(token.id for token in self._tokenizer.model.tokenize(SPACE_MARK + word))

    def spans(self, text: str) -> Iterable[tuple[int, int, int]]:
        """Return id, first character and the character after the last one of every token."""
        for word, start, end in self._splitter.spans(text):
            marked = (SPACE_MARK + word).encode()
            for piece in self._tokenizer.model.tokenize(SPACE_MARK + word):
                # The library counts bytes of the marked word; the mark itself stands for no character of the text.
                first, last = (start - 1 + len(marked[:offset].decode()) for offset in piece.offsets)
                piece_id = UNKNOWN if piece.id == self._unknown_id else piece.id
                yield piece_id, max(first, start), min(max(last, start + 1), end)

    def to_json(self) -> str:
        """Return a ``tokenizer.json``."""
        return str(self._tokenizer.to_str(pretty=True))


def _word_splitter() -> PatternSplitter:
    return word_splitter(filter_punctuation=False, cut_long_words=True)


def _train(words: Counter[str], n_pieces: int, min_frequency: int) -> dict[str, Any]:
    """Return the trainer's model: vocabulary and merges."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    alphabet = _alphabet(words, n_pieces, min_frequency)
    if not alphabet:
        return {"vocab": {}, "merges": []}
    trainer = trainers.BpeTrainer(
        vocab_size=n_pieces,
        min_frequency=min_frequency,
        show_progress=False,
        # Left to itself the trainer breaks ties between rare characters at random. Naming as many as it may keep
        # leaves it no choice.
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
    )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.train_from_iterator(_repeated(words), trainer)
    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return model


def _alphabet(words: Counter[str], n_pieces: int, min_frequency: int) -> list[str]:
    """Return the characters that are pieces themselves: the mark and the most frequent, about half of all pieces."""
    characters: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            characters[character] += count
    kept = most_frequent(characters, limit=max(n_pieces // 2, 2) - 1, min_frequency=min_frequency)
    return [SPACE_MARK, *(character for character in kept if character != SPACE_MARK)] if kept else []


def _repeated(words: Counter[str]) -> Iterator[str]:
    """Yield each word as often as it was counted: the trainer takes texts, not counts."""
    for word, count in words.items():
        marked = f"{SPACE_MARK}{word} "
        for begin in range(0, count, _LINE_WORDS):
            yield marked * min(_LINE_WORDS, count - begin)


def _build(vocabulary: Vocabulary, merges: Sequence[Any], settings: TextSettings) -> "tokenizers.Tokenizer":
    from tokenizers import Tokenizer, models

    ids, unknown = interchange.ids_with_unknown(vocabulary)
    pairs = [(str(left), str(right)) for left, right in merges]
    tokenizer = Tokenizer(models.BPE(ids, pairs, unk_token=unknown))
    interchange.add_pipeline(tokenizer, settings)
    return tokenizer
