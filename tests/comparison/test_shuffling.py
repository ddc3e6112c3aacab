from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sulsul.batching import EncodedCorpus
from sulsul.comparison.shuffling import shuffle_words
from sulsul.text import TextSettings, Tokenizer

TEXTS = [
    "the staff was kind, 정말 좋았다",
    "다시는 안 갑니다",
    "",
    "a",
    "one two three four five six seven eight nine ten",
]


def encoded(tokenizer: Tokenizer, texts: list[str]) -> EncodedCorpus:
    return EncodedCorpus(*tokenizer.encode(texts), np.arange(len(texts)))


def tokens(corpus: EncodedCorpus, tokenizer: Tokenizer) -> list[list[str]]:
    names = tokenizer.vocabulary()
    ends = zip(corpus.offsets[:-1], corpus.offsets[1:], strict=True)
    return [[names[k] for k in corpus.token_ids[start:end]] for start, end in ends]


@pytest.mark.parametrize("kind", ["word", "char", "subword"])
def test_words_are_moved_whole(kind: str) -> None:
    tokenizer = Tokenizer.fit(TEXTS, TextSettings(tokenizer=kind, vocabulary_size=50, filter_punctuation=False))
    before = tokens(encoded(tokenizer, TEXTS), tokenizer)
    after = tokens(shuffle_words(encoded(tokenizer, TEXTS), tokenizer, seed=0), tokenizer)
    assert before != after
    for old, new in zip(before, after, strict=True):
        if kind == "word":
            assert Counter(old) == Counter(new)
        else:
            joined = ["".join(part).replace("▁", " ").split() for part in (old, new)]
            assert Counter(joined[0]) == Counter(joined[1])


def test_start_and_pad_stay() -> None:
    settings = TextSettings(reserved=("pad", "start", "oov"), max_length=8, pad_to=9, pad_side="before")
    tokenizer = Tokenizer.fit(TEXTS, settings)
    corpus = encoded(tokenizer, TEXTS)
    shuffled = shuffle_words(corpus, tokenizer, seed=0)
    fixed = corpus.token_ids < 2
    assert (shuffled.token_ids[fixed] == corpus.token_ids[fixed]).all()
    assert (shuffled.token_ids[~fixed] >= 2).all()


def test_labels_and_lengths_stay_and_the_seed_decides() -> None:
    tokenizer = Tokenizer.fit(TEXTS, TextSettings())
    corpus = encoded(tokenizer, TEXTS)
    once, again, other = (shuffle_words(corpus, tokenizer, seed=seed) for seed in (1, 1, 2))
    assert (once.token_ids == again.token_ids).all()
    assert (once.token_ids != other.token_ids).any()
    assert (once.offsets == corpus.offsets).all()
    assert once.class_ids is corpus.class_ids


@given(st.lists(st.lists(st.sampled_from("abcdefg"), max_size=8).map(" ".join), max_size=6), st.integers(0, 99))
def test_each_text_keeps_its_own_words(texts: list[str], seed: int) -> None:
    tokenizer = Tokenizer.fit(["a b c d e f g"], TextSettings(tokenizer="char"))
    before = encoded(tokenizer, texts)
    after = shuffle_words(before, tokenizer, seed=seed)
    for old, new in zip(tokens(before, tokenizer), tokens(after, tokenizer), strict=True):
        assert sorted("".join(old).split(" ")) == sorted("".join(new).split(" "))


def test_every_order_is_equally_likely() -> None:
    tokenizer = Tokenizer.fit(["a b c"], TextSettings())
    corpus = encoded(tokenizer, ["a b c"] * 6000)
    orders = Counter("".join(order) for order in tokens(shuffle_words(corpus, tokenizer, seed=0), tokenizer))
    assert len(orders) == 6
    assert all(850 < n < 1150 for n in orders.values())


def test_words_that_are_sums_are_moved_whole() -> None:
    chosen = TextSettings(ngrams=(1, 3), reserved=("pad", "start", "oov"), max_length=6, pad_to=6)
    tokenizer = Tokenizer.fit(TEXTS, chosen)
    texts = [*TEXTS, "seen unseen zq"]
    found = tokenizer.encode_with_lengths(texts)
    before = EncodedCorpus(found.token_ids, found.offsets, np.arange(len(texts)), types=found.types)
    after = shuffle_words(before, tokenizer, seed=0)
    assert after.types is before.types
    assert after.token_ids.tolist() != before.token_ids.tolist()
    for start, end in zip(before.offsets[:-1], before.offsets[1:], strict=True):
        old, new = before.token_ids[start:end], after.token_ids[start:end]
        assert sorted(old) == sorted(new)
        assert new[0] == 1
        assert ((old == 0) == (new == 0)).all()
