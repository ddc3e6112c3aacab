"""Texts whose words stand in random order: what a network scores on them it has without word order."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.text import TextSettings, Tokenizer

_WORD_MARK = "▁"
"""Begins a word among subwords."""


def shuffle_words(encoded: EncodedCorpus, tokenizer: Tokenizer, *, seed: int) -> EncodedCorpus:
    """Return the same texts with the words of each in random order.

    Each text keeps its tokens. The pieces of a word stay together and in order, between characters the spaces stay
    where words end, and START and PAD stay where they are: only the order of words is lost. A word is what the
    tokenizer takes for one: a token of ``word`` and ``morpheme``, the pieces from one ``▁`` to the next of ``subword``,
    the characters between spaces of ``char``.

    Parameters
    ----------
    encoded
        The texts as token ids of ``tokenizer``.
    seed
        Seed of the order.
    """
    # Ids that stand for sums are whole words by themselves, behind the reserved tokens as always.
    names = tokenizer.vocabulary() if encoded.types is None else [""] * len(encoded.types)
    fixed, starts, separates = _roles(names, tokenizer.settings)
    text_of = np.repeat(np.arange(len(encoded)), encoded.lengths)
    (moving,) = np.nonzero(~fixed[encoded.token_ids])
    ids, text = encoded.token_ids[moving], text_of[moving]
    token_ids = encoded.token_ids.copy()
    if len(moving):
        token_ids[moving] = ids[_shuffled_order(text, starts[ids], separates[ids], seed)]
    return replace(encoded, token_ids=token_ids)


def _roles(
    names: Sequence[str], settings: TextSettings
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return by token id whether it keeps its place, begins a word, and separates words."""
    kind, reserved = settings.tokenizer, settings.reserved
    fixed = np.zeros(len(names), dtype=np.bool_)
    fixed[[index for index, name in enumerate(reserved) if name in {"pad", "start"}]] = True
    separates = np.array([kind == "char" and name == " " for name in names], dtype=np.bool_)
    if kind == "subword":
        starts = np.array([name.startswith(_WORD_MARK) for name in names], dtype=np.bool_)
    else:
        starts = np.full(len(names), kind != "char", dtype=np.bool_)
    return fixed, starts, separates


def _shuffled_order(
    text: npt.NDArray[np.int64], starts: npt.NDArray[np.bool_], separates: npt.NDArray[np.bool_], seed: int
) -> npt.NDArray[np.int64]:
    """Return the positions of the tokens in their new order; texts stay in theirs."""
    new_text = np.concatenate([[True], text[1:] != text[:-1]])
    after_separator = np.concatenate([[False], separates[:-1]])
    new_word = (starts | new_text | after_separator) & ~separates
    word = np.maximum(np.cumsum(new_word) - 1, 0)
    n_words = int(word[-1]) + 1
    text_of_word = np.empty(n_words, dtype=np.int64)
    text_of_word[word] = text
    order = np.lexsort((np.random.default_rng(seed).random(n_words), text_of_word))
    rank = np.empty(n_words, dtype=np.int64)
    rank[order] = np.arange(n_words)
    # A separator keeps its place: behind as many words of its text as before.
    place = np.where(separates, 2 * word + 1, 2 * rank[word])
    return np.lexsort((np.arange(len(text)), place, text))
