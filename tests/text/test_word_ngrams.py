import copy
import json

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sulsul.errors import DataError, TokenizerError
from sulsul.text import TextSettings, Tokenizer, WordTypes, word_ngrams
from sulsul.text.character_ngrams import frequent_ngrams, mark_words
from sulsul.text.ngram_rows import HashedRows, LearnedRows, parts_by_word

TEXTS = ["학교가 좋다", "학교를 갔다 학교", "the schools, the SCHOOL's!", "\U0001f600\U0001f600 ha<ha>"]


def fitted(**chosen: object) -> Tokenizer:
    return Tokenizer.fit(TEXTS, TextSettings.model_validate({"ngrams": (1, 3), **chosen}))


def ngrams_of(word: str, shortest: int, longest: int) -> list[str]:
    marked = f"<{word}>"
    spans = [(i, i + n) for n in range(shortest, longest + 1) for i in range(len(marked) - n + 1)]
    return [marked[i:j] for i, j in spans if (i, j) not in {(0, 1), (len(marked) - 1, len(marked))}]


def fnv1a(text: str) -> int:
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) % 2**32
    return value


def parts(tokenizer: Tokenizer, word: str) -> list[str]:
    """Return the names of the rows that a word is the sum of."""
    encoded = tokenizer.encode_with_lengths([word])
    assert encoded.types is not None
    (token_id,) = encoded.token_ids
    names = tokenizer.vocabulary()
    return [names[row] for row in encoded.types.select(np.array([token_id])).part_ids]


def test_a_word_is_itself_and_its_ngrams() -> None:
    grams = [" 학", " 교", " <학", " 학교", " 교>", " <학교", " 학교>"]
    assert parts(fitted(), "학교") == ["학교", *grams]


def test_an_unseen_word_is_its_known_ngrams_alone() -> None:
    assert parts(fitted(), "학교에") == [" 학", " 교", " <학", " 학교", " <학교"]


def test_a_word_of_unknown_characters_is_oov_or_dropped() -> None:
    assert parts(fitted(), "zq") == ["[OOV]"]
    encoded = fitted(reserved=("pad",)).encode_with_lengths(["zq 학교 학교에"])
    assert encoded.token_ids.tolist() == [2, 3]
    assert (encoded.token_counts.tolist(), encoded.unknown_counts.tolist(), encoded.unread_counts.tolist()) == (
        [3],
        [2],
        [1],
    )


def test_reserved_tokens_are_types_of_their_own() -> None:
    reserved = ("pad", "start", "oov")
    encoded = fitted(reserved=reserved, max_length=3, pad_to=4).encode_with_lengths(["학교 zq"])
    assert encoded.types is not None
    assert encoded.token_ids.tolist() == [1, 3, 2, 0]
    assert encoded.types.select(np.arange(3)).part_ids.tolist() == [0, 1, 2]


def test_a_repeated_ngram_counts_twice() -> None:
    assert parts(fitted(ngrams=(1, 1)), "\U0001f600\U0001f600")[1:] == [" \U0001f600", " \U0001f600"]


@given(st.lists(st.text(min_size=1, max_size=9).filter(lambda word: " " not in word), max_size=8))
@settings(max_examples=60, deadline=None)
def test_rows_are_those_of_every_single_ngram(words: list[str]) -> None:
    words = [word.encode("utf-8", "replace").decode() for word in words]
    learned = sorted({gram for word in words[::2] for gram in ngrams_of(word, 2, 4)})
    counts, rows = (
        parts_by_word(list(LearnedRows(learned, 7).parts(mark_words(words))), len(words))
        if learned
        else (
            np.zeros(len(words), np.int64),
            np.zeros(0, np.int32),
        )
    )
    expected = [[7 + learned.index(gram) for gram in ngrams_of(word, 2, 4) if gram in learned] for word in words]
    assert [part.tolist() for part in np.split(rows, np.cumsum(counts)[:-1])][: len(words)] == expected
    counts, rows = parts_by_word(list(HashedRows((1, 3), 50, 7).parts(mark_words(words))), len(words))
    hashed = [[7 + fnv1a(gram) % 50 for gram in ngrams_of(word, 1, 3)] for word in words]
    assert [part.tolist() for part in np.split(rows, np.cumsum(counts)[:-1])][: len(words)] == hashed


@given(
    st.dictionaries(st.text("가나<>a", min_size=1, max_size=5), st.integers(1, 4), max_size=6),
    st.integers(1, 3),
    st.integers(1, 6),
)
@settings(max_examples=60, deadline=None)
def test_the_most_frequent_ngrams_are_learned(words: dict[str, int], shortest: int, min_frequency: int) -> None:
    counts: dict[str, int] = {}
    for word, count in words.items():
        for gram in ngrams_of(word, shortest, 4):
            counts[gram] = counts.get(gram, 0) + count
    found = frequent_ngrams(words, (shortest, 4), limit=1000, min_frequency=min_frequency)
    assert sorted(found) == sorted(gram for gram, count in counts.items() if count >= min_frequency)
    assert [counts[gram] for gram in found] == sorted((counts[gram] for gram in found), reverse=True)
    assert frequent_ngrams(words, (shortest, 4), limit=3, min_frequency=min_frequency) == found[:3]


def test_limits_and_hashing_bound_the_table() -> None:
    assert fitted(vocabulary_size=4, ngram_vocabulary_size=5).vocabulary_size == 9
    hashed = fitted(vocabulary_size=4, ngram_buckets=10)
    assert hashed.vocabulary_size == 14 == len(set(hashed.vocabulary()))
    assert parts(hashed, "q") == [f" bucket {fnv1a(gram) % 10}" for gram in ("q", "<q", "q>", "<q>")]
    assert fitted(ngram_min_frequency=3, ngrams=(2, 2), vocabulary_size=3).vocabulary()[3:] == [" <학", " 학교"]


def test_ids_do_not_depend_on_chunks_and_types_on_other_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = fitted(reserved=("pad",))
    texts = [*TEXTS, "zq 학교에", "", "zq zq"]
    whole = tokenizer.encode_with_lengths(texts)
    monkeypatch.setattr("sulsul.text.tokenizer._CHUNK_CHARACTERS", 1)
    cut = tokenizer.encode_with_lengths(texts)
    assert whole.types is not None
    assert cut.types is not None
    assert [a.tolist() for a in whole[:-1]] == [a.tolist() for a in cut[:-1]]
    assert cut.types.part_ids.tolist() == whole.types.part_ids.tolist()
    alone = tokenizer.encode_with_lengths(["학교에"])
    assert alone.types is not None
    (there,) = whole.types.select(whole.token_ids[-1:]).part_ids[None]
    (here,) = alone.types.select(alone.token_ids).part_ids[None]
    assert here.tolist() == there.tolist()


def test_spans_go_with_the_ids() -> None:
    for reserved in (("pad", "oov"), ("pad", "start")):
        tokenizer = fitted(reserved=reserved)
        text = " ZQ 학교를,학교 zq"
        ids, spans = tokenizer.encode_with_spans(text)
        assert ids == tokenizer.encode_with_lengths([text]).token_ids.tolist()
        assert {text[start:end] for start, end in spans} >= {"학교를", "학교"}


@pytest.mark.parametrize("chosen", [{}, {"ngram_buckets": 20}, {"reserved": ("pad",)}, {"filter_punctuation": False}])
def test_a_tokenizer_survives_its_file(chosen: dict[str, object]) -> None:
    tokenizer = fitted(**chosen)
    again = Tokenizer.from_json(tokenizer.to_json(), tokenizer.settings)
    assert again.vocabulary() == tokenizer.vocabulary()
    for other in (again, copy.deepcopy(tokenizer)):
        one, two = (t.encode_with_lengths([*TEXTS, "학교에서 ha"]) for t in (other, tokenizer))
        assert one.types is not None
        assert two.types is not None
        assert one.token_ids.tolist() == two.token_ids.tolist()
        assert one.types.part_ids.tolist() == two.types.part_ids.tolist()
    theirs = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    assert theirs.encode("학교").ids == [tokenizer.vocabulary().index("학교")]


@pytest.mark.parametrize(
    ("change", "settings_of_reader", "message"),
    [
        ({}, {"ngrams": (1, 2)}, "other lengths than 1 to 2"),
        ({}, {"ngram_buckets": 9}, "where the settings hash them"),
        ({"swap": True}, {}, "mixed"),
        ({"gap": True}, {}, "not 0, 1, 2"),
        ({}, {"reserved": ("pad", "start")}, "reserve"),
    ],
)
def test_a_file_of_other_settings_is_refused(
    change: dict[str, bool], settings_of_reader: dict[str, object], message: str
) -> None:
    tokenizer = fitted()
    content = json.loads(tokenizer.to_json())
    vocab, names = content["model"]["vocab"], tokenizer.vocabulary()
    if change.get("swap"):
        vocab[names[2]], vocab[names[-1]] = vocab[names[-1]], vocab[names[2]]
    if change.get("gap"):
        del vocab[names[3]]
    wanted = TextSettings.model_validate(tokenizer.settings.model_dump() | settings_of_reader)
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.from_json(json.dumps(content), wanted)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"ngrams": (3, 2)}, "shortest <= longest"),
        ({"ngrams": (0, 2)}, "shortest <= longest"),
        ({"ngrams": (1, 33)}, "shortest <= longest"),
        ({"ngrams": (1, 4), "tokenizer": "char"}, "need tokenizer 'word', not 'char'"),
        ({"ngram_buckets": 10}, "needs ngrams"),
    ],
)
def test_settings_that_cannot_be(chosen: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TextSettings.model_validate(chosen)


def test_ids_without_types_are_refused() -> None:
    with pytest.raises(TokenizerError, match="encode_with_lengths"):
        fitted().encode(["학교"])


def test_a_text_without_spaces_has_bounded_parts() -> None:
    encoded = fitted().encode_with_lengths(["가" * 100_000])
    assert encoded.types is not None
    assert len(encoded.types.part_ids) < 20_000


def test_no_texts_and_no_words() -> None:
    for texts in ([], [""], ["!?"]):
        encoded = fitted().encode_with_lengths(texts)
        assert encoded.types is not None
        assert (len(encoded.token_ids), len(encoded.types)) == (0, 2)


@pytest.mark.parametrize(
    ("offsets", "part_ids", "message"),
    [
        ([0, 2], [1], "end with"),
        ([1, 2], [1, 2], "begin with 0"),
        ([0, 2, 1], [1], "never fall"),
        ([0, 1], [-1], "negative"),
    ],
)
def test_malformed_types_are_refused(offsets: list[int], part_ids: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        WordTypes(np.array(offsets), np.array(part_ids, np.int32))


def test_words_that_were_forgotten_get_the_same_parts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer, texts = fitted(), ["학교 go 학교에", "go zq on", "", "학교 on go", "학교 학교에 zq"] * 3

    def read() -> tuple[list[list[int]], list[list[int]]]:
        encoded = tokenizer.encode_with_lengths(texts)
        assert encoded.types is not None
        parts_of_types = np.split(encoded.types.part_ids, encoded.types.offsets[1:-1])
        counts = [array.tolist() for array in encoded[2:6]]
        return [parts_of_types[token_id].tolist() for token_id in encoded.token_ids], counts

    expected = read()
    monkeypatch.setattr(word_ngrams, "MOST_REMEMBERED", 2)
    assert read() == expected


def test_types_of_several_calls_are_those_of_one() -> None:
    tokenizer, encoding = fitted(), fitted().encoding()
    whole = tokenizer.encode_with_lengths(TEXTS)
    blocks = [(encoding.append([text]), encoding.new_types()) for text in TEXTS]
    assert np.concatenate([block.token_ids for block, _ in blocks]).tolist() == whole.token_ids.tolist()
    assert whole.types is not None
    assert np.concatenate([types.part_ids for _, types in blocks if types]).tolist() == whole.types.part_ids.tolist()
    assert sum(len(types) for _, types in blocks if types) == len(whole.types)
