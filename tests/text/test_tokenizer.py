import json
import pickle
import subprocess
import sys
import unicodedata
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from sulsul.errors import TokenizerError
from sulsul.text import TextSettings, Tokenizer

CORPUS = [
    "The film was not good, not at all.",
    "It's good! Really good; I've seen it 10 times.",
    "이 영화는 재미있다. 정말 재미있다!",
    "재미없는 영화, 보지 마세요... 「최악」",
    "a-b c_d e/f (g) [PAD] <br /> ~^",
]
RESERVED = [("pad", "oov"), ("pad",), ("pad", "start", "oov", "unused"), ("oov", "start")]
KINDS = [("word", True), ("word", False), ("char", True), ("subword", True)]
# Letters of which Python and the Rust library agree on case and composition. Greek final sigma is the known exception.
PLAIN = st.text(
    st.one_of(
        st.sampled_from("the film good 영화재미있다 [PAD]\t\n.,!'\u3000\u00a0\x1c\u2028한한e\u0301É"),
        st.characters(codec="utf-8", max_codepoint=0x24F, exclude_categories=["Cn"]),
    ),
    max_size=30,
)


def fitted(kind: str, filter_punctuation: bool = True, reserved=("pad", "oov"), **more) -> Tokenizer:
    chosen = TextSettings(
        **{"vocabulary_size": 120, **more}, tokenizer=kind, filter_punctuation=filter_punctuation, reserved=reserved
    )
    return Tokenizer.fit(CORPUS, chosen)


def encode_one(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode([text])[0].tolist()


# Worked by hand after keras/preprocessing/text.py: Tokenizer(num_words=6, oov_token="<OOV>") fitted on
#   ["The cat, the dog!", "A dog (a big-dog) runs\tfast"]
# counts dog 3, the 2, a 2, cat 1, big 1, runs 1, fast 1; ties in the order met; index 1 is the OOV token and words
# follow; only indices below num_words are used, so dog 2, the 3, a 4, cat 5 and everything else is 1.
KERAS_TEXTS = ["The cat, the dog!", "A dog (a big-dog) runs\tfast"]
KERAS_TABLE = [
    ("The cat, the dog!", [3, 5, 3, 2]),
    ("A dog (a big-dog) runs\tfast", [4, 2, 4, 1, 2, 1, 1]),
    ("THE_CAT's dog", [3, 1, 2]),
    ("", []),
    ("?!", []),
    ("the\u00a0cat the\rcat", [1, 1]),  # Keras cuts at the space only
]


@pytest.mark.parametrize(("text", "expected"), KERAS_TABLE)
def test_agrees_with_keras_with_an_oov_token(text, expected):
    tokenizer = Tokenizer.fit(KERAS_TEXTS, TextSettings(vocabulary_size=6))
    assert encode_one(tokenizer, text) == expected


def test_agrees_with_keras_without_an_oov_token():
    # num_words=4 and no oov_token: words from index 1, dog 1, the 2, a 3; other words are left out.
    tokenizer = Tokenizer.fit(KERAS_TEXTS, TextSettings(vocabulary_size=4, reserved=("pad",)))
    assert tokenizer.unknown_id is None
    assert encode_one(tokenizer, "A fast dog, the cat") == [3, 1, 2]


def test_words_of_imdb_begin_at_four():
    tokenizer = Tokenizer.fit(KERAS_TEXTS, TextSettings(reserved=("pad", "start", "oov", "unused"), vocabulary_size=6))
    assert tokenizer.vocabulary() == ["[PAD]", "[START]", "[OOV]", "[UNUSED]", "dog", "the"]
    assert encode_one(tokenizer, "the big dog") == [1, 5, 2, 4]
    assert encode_one(tokenizer, "") == [1]


@pytest.mark.parametrize(("kind", "filter_punctuation"), KINDS)
def test_composed_and_decomposed_hangul_give_the_same_ids(kind, filter_punctuation):
    tokenizer = fitted(kind, filter_punctuation)
    text = "정말 재미있다!"
    assert encode_one(tokenizer, unicodedata.normalize("NFD", text)) == encode_one(tokenizer, text)
    assert encode_one(tokenizer, text).count(tokenizer.unknown_id) == 0


def test_fitting_on_decomposed_texts_learns_the_same_vocabulary():
    decomposed = [unicodedata.normalize("NFD", text) for text in CORPUS]
    chosen = TextSettings(tokenizer="char")
    assert Tokenizer.fit(decomposed, chosen).vocabulary() == Tokenizer.fit(CORPUS, chosen).vocabulary()


@pytest.mark.parametrize("reserved", RESERVED)
@pytest.mark.parametrize(("kind", "filter_punctuation"), KINDS)
@settings(max_examples=40, deadline=None)
@given(text=PLAIN)
def test_hugging_face_reads_our_file_and_gives_the_same_ids(kind, filter_punctuation, reserved, text):
    tokenizer, theirs = cached_pair(kind, filter_punctuation, reserved)
    expected = theirs.encode(text).ids
    if "oov" not in reserved:
        expected = [token_id for token_id in expected if token_id != tokenizer.vocabulary_size]
    assert encode_one(tokenizer, text) == expected


_PAIRS: dict = {}


def cached_pair(*key) -> tuple[Tokenizer, tokenizers.Tokenizer]:
    if key not in _PAIRS:
        tokenizer = fitted(*key)
        _PAIRS[key] = (tokenizer, tokenizers.Tokenizer.from_str(tokenizer.to_json()))
    return _PAIRS[key]


@pytest.mark.parametrize("reserved", RESERVED)
@pytest.mark.parametrize(("kind", "filter_punctuation"), KINDS)
@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=30))
def test_spans_lie_in_the_original_text(kind, filter_punctuation, reserved, text):
    tokenizer, _ = cached_pair(kind, filter_punctuation, reserved)
    ids, spans = tokenizer.encode_with_spans(text)
    assert ids == encode_one(tokenizer, text)
    assert len(spans) == len(ids)
    assert all(0 <= start <= end <= len(text) for start, end in spans)
    assert [start for start, _ in spans] == sorted(start for start, _ in spans)


def test_spans_name_the_decomposed_characters():
    text = unicodedata.normalize("NFD", "정말 GOOD!")
    tokenizer = fitted("word", reserved=("pad", "start", "oov"), max_length=4, pad_to=4)
    ids, spans = tokenizer.encode_with_spans(text)
    assert [text[start:end] for start, end in spans] == ["", unicodedata.normalize("NFD", "정말"), "GOOD", ""]
    assert [tokenizer.vocabulary()[i] for i in ids] == ["[START]", "정말", "good", "[PAD]"]


@pytest.mark.parametrize("truncate", ["front", "back"])
@pytest.mark.parametrize("pad_side", ["before", "after"])
def test_spans_follow_truncation_and_padding(truncate, pad_side):
    tokenizer = fitted("char", reserved=("pad", "start"), max_length=3, pad_to=5, truncate=truncate, pad_side=pad_side)
    ids, spans = tokenizer.encode_with_spans("good")
    expected = {"front": ["o", "o", "d"], "back": ["", "g", "o"]}[truncate]
    expected = ["", "", *expected] if pad_side == "before" else [*expected, "", ""]
    assert ["good"[start:end] for start, end in spans] == expected
    assert ids == encode_one(tokenizer, "good")


@pytest.mark.parametrize(("kind", "filter_punctuation"), KINDS)
def test_literal_names_of_reserved_tokens_are_just_text(kind, filter_punctuation):
    tokenizer = fitted(kind, filter_punctuation, reserved=("pad", "start", "oov"))
    ids = encode_one(tokenizer, "[PAD] [START] [OOV] [DROPPED]")
    assert ids[0] == 1
    assert not {0, 1} & set(ids[1:])


@pytest.mark.parametrize("reserved", RESERVED)
@pytest.mark.parametrize(("kind", "filter_punctuation"), KINDS)
def test_json_round_trip(kind, filter_punctuation, reserved):
    tokenizer = fitted(kind, filter_punctuation, reserved)
    text = tokenizer.to_json()
    again = Tokenizer.from_json(text, tokenizer.settings)
    assert again.vocabulary() == tokenizer.vocabulary()
    assert again.to_json() == text
    assert pickle.loads(pickle.dumps(tokenizer)).to_json() == text
    assert [a.tolist() for a in again.encode(CORPUS)] == [a.tolist() for a in tokenizer.encode(CORPUS)]


@pytest.mark.parametrize("kind", ["word", "subword"])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda document: "{", "not a tokenizer file"),
        (lambda document: "[]", "not a tokenizer file"),
        (lambda document: "{}", "not a tokenizer file"),
        (lambda document: document["model"].update(type="Unigram"), "of type 'Unigram'"),
        (lambda document: document["model"].update(vocab=[1]), "not a mapping"),
        (lambda document: document["model"]["vocab"].pop("good", None), "the ids"),
        (lambda document: document["model"]["vocab"].update(good="7"), "the ids"),
        (lambda document: document["model"]["vocab"].update({"[PAD]": 1, "[OOV]": 0}), "begins with"),
    ],
)
def test_a_malformed_file_is_refused(kind, spoil, message):
    tokenizer = fitted(kind)
    document = json.loads(tokenizer.to_json())
    if kind == "subword":
        document["model"]["vocab"]["good"] = document["model"]["vocab"].pop("▁good")
        document["model"]["merges"] = []
    spoilt = spoil(document)
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.from_json(spoilt if isinstance(spoilt, str) else json.dumps(document), tokenizer.settings)


@pytest.mark.parametrize("merges", [None, 3, ["a b"], [["zz", "yy"]], [[1]]])
def test_malformed_merges_are_refused(merges):
    tokenizer = fitted("subword")
    document = json.loads(tokenizer.to_json())
    document["model"]["merges"] = merges
    with pytest.raises(TokenizerError, match="merges"):
        Tokenizer.from_json(json.dumps(document), tokenizer.settings)


@pytest.mark.parametrize(("kind", "filter_punctuation"), KINDS)
def test_odd_texts(kind, filter_punctuation):
    tokenizer = fitted(kind, filter_punctuation)
    odd = ["", " ", "\x00", "\ud800", "a\udfffb", "\u200b\ufeff", "\U0001f600" * 3, "한", "good\x00good", "\u0301"]
    ids, offsets = tokenizer.encode(odd)
    assert len(offsets) == len(odd) + 1
    assert offsets[1] == offsets[2] == 0
    assert ids.max() < tokenizer.vocabulary_size
    for text in odd:
        assert tokenizer.encode_with_spans(text)[0] == encode_one(tokenizer, text)


def test_series_list_and_stream_are_the_same():
    tokenizer = fitted("word")
    expected = [a.tolist() for a in tokenizer.encode(CORPUS)]
    assert [a.tolist() for a in tokenizer.encode(pl.Series(CORPUS))] == expected
    assert [a.tolist() for a in tokenizer.encode(iter(CORPUS))] == expected
    assert Tokenizer.fit(iter(CORPUS), tokenizer.settings).vocabulary() == tokenizer.vocabulary()


def test_types_and_no_texts():
    ids, offsets = fitted("word").encode([])
    assert (ids.dtype, offsets.dtype) == (np.int32, np.int64)
    assert (ids.shape, offsets.tolist()) == ((0,), [0])


def test_chunks_do_not_show(monkeypatch):
    tokenizer = fitted("word", reserved=("pad", "start"), max_length=3)
    expected = [a.tolist() for a in tokenizer.encode_with_lengths(CORPUS)[:-1]]
    monkeypatch.setattr("sulsul.text.tokenizer._CHUNK_CHARACTERS", 1)
    assert [a.tolist() for a in tokenizer.encode_with_lengths(CORPUS)[:-1]] == expected


def test_full_lengths_are_those_before_truncation():
    tokenizer = fitted("word", reserved=("pad", "start", "oov"), max_length=3, pad_to=4)
    encoded = tokenizer.encode_with_lengths(["good", "not good at all", ""])
    assert encoded.full_lengths.tolist() == [2, 5, 1]
    assert np.diff(encoded.offsets).tolist() == [4, 4, 4]


def test_min_frequency_leaves_rare_words_out():
    assert fitted("word", min_frequency=3).vocabulary() == ["[PAD]", "[OOV]", "good"]


@pytest.mark.parametrize("kind", ["word", "char", "subword"])
def test_nothing_to_learn_from(kind):
    with pytest.raises(TokenizerError, match="no token"):
        Tokenizer.fit(["", "  "], TextSettings(tokenizer=kind))
    with pytest.raises(TokenizerError, match="at least 1000 time"):
        fitted(kind, min_frequency=1000)


@pytest.mark.parametrize("texts", ["good", [None], ["good", 3]])
def test_only_strings_are_texts(texts):
    with pytest.raises(TokenizerError, match=r"single string|not a string"):
        fitted("word").encode(texts)


def test_one_very_long_text():
    tokenizer = fitted("word")
    ids, _ = tokenizer.encode(["not good " * 500_000])
    assert len(ids) == 1_000_000


def test_subwords_respect_the_size_and_join_to_the_words():
    tokenizer = fitted("subword", vocabulary_size=60)
    assert tokenizer.vocabulary_size == 60
    names = tokenizer.vocabulary()
    assert "".join(names[i] for i in encode_one(tokenizer, "good film")) == "▁good▁film"


@pytest.mark.parametrize("reserved", RESERVED)
def test_subword_spans_of_known_pieces_spell_the_pieces(reserved):
    tokenizer = fitted("subword", reserved=reserved)
    text = "Really 재미있다? (q「Good」)"
    ids, spans = tokenizer.encode_with_spans(text)
    names = tokenizer.vocabulary()
    spelt = [(names[i].lstrip("▁"), text[a:b].lower()) for i, (a, b) in zip(ids, spans, strict=True)]
    assert all(piece in (written, "") for piece, written in spelt if not piece.startswith("["))
    assert sum(piece == written for piece, written in spelt) >= 8


def test_a_word_of_many_thousand_letters_is_cut():
    tokenizer, theirs = cached_pair("subword", True, ("pad", "oov"))
    text = "good" * 5_000
    ids = encode_one(tokenizer, text)
    assert ids == theirs.encode(text).ids
    assert ids == tokenizer.encode_with_spans(text)[0]


def test_subwords_need_room():
    assert fitted("subword", vocabulary_size=4).vocabulary_size == 4
    with pytest.raises(TokenizerError, match="Raise vocabulary_size"):
        fitted("subword", vocabulary_size=3)


def test_subwords_do_not_depend_on_threads(tmp_path):
    program = (
        "import sys; from sulsul.text import TextSettings, Tokenizer\n"
        "texts = [f'단어{i % 97}{chr(0xac00 + i % 1000)} w{i % 13}x{i % 7}' for i in range(3000)]\n"
        "settings = TextSettings(tokenizer='subword', vocabulary_size=300)\n"
        "sys.stdout.write(Tokenizer.fit(texts, settings).to_json())"
    )
    files = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={"RAYON_NUM_THREADS": threads, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    ]
    assert files[0] == files[1]


@pytest.mark.shared_data
@pytest.mark.parametrize("kind", ["word", "char", "subword"])
def test_real_texts_get_the_ids_that_hugging_face_gives(shared_data, kind):
    reviews = pl.read_parquet(shared_data / "imdb-train.parquet", columns=["text"], n_rows=300)["text"]
    korean = pl.read_csv(shared_data / "seoul-120-text.csv", columns=["내용"], n_rows=300)["내용"].fill_null("")
    texts = [*reviews, *korean]
    tokenizer = Tokenizer.fit(texts[::2], TextSettings(tokenizer=kind, vocabulary_size=3000))
    theirs = tokenizers.Tokenizer.from_str(tokenizer.to_json()).encode_batch_fast(texts)
    ids, offsets = tokenizer.encode(texts)
    assert [ids[a:b].tolist() for a, b in pairwise(offsets)] == [encoding.ids for encoding in theirs]
