"""Which words a language model predicts, and how the words it is trained against are drawn."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.errors import DataError
from sulsul.text import Tokenizer
from sulsul.text.word_ngrams import NGRAM_MARK
from sulsul.text.word_types import WordTypes

POWER = 0.75
"""Words are drawn in proportion to their frequency to this power: Mikolov et al. 2013, "Distributed representations of
words and phrases", section 2.2."""
NO_WORD = -1
"""In place of a predicted word's number where there is none."""


@dataclass(frozen=True, eq=False)
class Negatives:
    """Words drawn for one step.

    Attributes
    ----------
    words : int64 (S,)
        Distinct predicted words, rising.
    log_expected : float32 (S,)
        Logarithm of how often each was expected among the draws, less that of how often it came.
    """

    words: npt.NDArray[np.int64]
    log_expected: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PredictedWords:
    """The most frequent words of the training texts.

    Attributes
    ----------
    of_row : int32 (V,)
        For every row of the table the number of the word that it belongs to, ``NO_WORD`` for n-grams and all other
        words.
    counts : int64 (K,)
        How often each occurs.
    """

    of_row: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int64]

    @classmethod
    def find(cls, corpus: EncodedCorpus, tokenizer: Tokenizer, limit: int) -> "PredictedWords":
        """Count the words of a corpus.

        Parameters
        ----------
        corpus
            Encoded texts with types.
        tokenizer
            What encoded them.
        limit
            The most words to predict.

        Raises
        ------
        DataError
            If fewer than two words of the vocabulary occur.
        """
        assert corpus.types is not None
        first_row, last_row = word_rows(tokenizer)
        counts_of_type = np.bincount(corpus.token_ids, minlength=len(corpus.types))
        (occurring,) = np.nonzero(counts_of_type)
        firsts = first_parts(corpus.types.select(occurring))
        counts_of_row = np.bincount(firsts, counts_of_type[occurring], tokenizer.vocabulary_size).astype(np.int64)
        counts_of_row[:first_row] = 0
        counts_of_row[last_row:] = 0
        rows = np.argsort(-counts_of_row, kind="stable")[:limit]
        rows = rows[counts_of_row[rows] > 0]
        if len(rows) < 2:
            raise DataError("the texts hold fewer than two words of the vocabulary: there is nothing to predict.")
        of_row = np.full(tokenizer.vocabulary_size, NO_WORD, np.int32)
        of_row[rows] = np.arange(len(rows), dtype=np.int32)
        return cls(of_row, counts_of_row[rows])

    def of_types(self, types: WordTypes) -> npt.NDArray[np.int32]:
        """Return the number of each type (W,) among the predicted words, ``NO_WORD`` for all others."""
        return self.of_row[first_parts(types)]

    def __len__(self) -> int:
        return len(self.counts)


class NegativeSampler:
    """Draws words by frequency; a pure function of seed and step, so there is no state to save.

    Parameters
    ----------
    counts : int64 (K,)
        How often each word occurs.
    n_draws
        Draws for each step, with replacement.
    seed
        Seeds the draws together with the step.
    """

    def __init__(self, counts: npt.NDArray[np.int64], n_draws: int, seed: int) -> None:
        weights = counts.astype(np.float64) ** POWER
        self._cumulative = np.cumsum(weights / weights.sum())
        self._n_draws = n_draws
        self._seed = seed
        self.log_expected = np.log(n_draws * weights / weights.sum()).astype(np.float32)
        """float32 (K,): logarithm of how often each word is expected among the draws of a step."""

    def draw(self, step: int) -> Negatives:
        """Return the words of a step."""
        uniform = np.random.default_rng([self._seed, step, 2]).random(self._n_draws)
        drawn = np.minimum(np.searchsorted(self._cumulative, uniform, side="right"), len(self._cumulative) - 1)
        words, times = np.unique(drawn, return_counts=True)
        return Negatives(words, (self.log_expected[words] - np.log(times)).astype(np.float32))


def first_parts(types: WordTypes) -> npt.NDArray[np.int32]:
    """Return the first part (W,) of each type: a known word's own row; an unknown one begins with an n-gram's."""
    return types.part_ids[types.offsets[:-1]]


def word_rows(tokenizer: Tokenizer) -> tuple[int, int]:
    """Return the first row of the table that is a token's, not reserved or an n-gram's, and the one behind the last."""
    names = tokenizer.vocabulary()
    n_ngrams = sum(name.startswith(NGRAM_MARK) for name in names) if tokenizer.settings.ngrams is not None else 0
    return len(tokenizer.settings.reserved), len(names) - n_ngrams
