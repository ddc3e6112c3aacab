import pytest
from hypothesis import given
from hypothesis import strategies as st

from sulsul.text import splitting
from sulsul.text.splitting import KERAS_FILTER, WHITE_SPACE, CharacterSplitter, word_splitter

TEXTS = st.text(st.one_of(st.sampled_from(KERAS_FILTER + WHITE_SPACE + "ab가'’。—「"), st.characters()), max_size=40)
SPLITTERS = {
    "words": word_splitter(filter_punctuation=True),
    "words and marks": word_splitter(filter_punctuation=False),
    "characters": CharacterSplitter(),
}


def keras_words(text: str) -> list[str]:
    """Do what ``keras.preprocessing.text.text_to_word_sequence`` does after lower-casing."""
    return [word for word in text.translate({ord(c): " " for c in KERAS_FILTER}).split(" ") if word]


@given(TEXTS)
def test_words_are_those_of_keras(text):
    assert list(*SPLITTERS["words"].cut([text])) == keras_words(text)


@pytest.mark.parametrize("splitter", SPLITTERS.values(), ids=SPLITTERS)
@given(text=TEXTS)
def test_spans_agree_with_tokens(splitter, text):
    spans = list(splitter.spans(text))
    assert [token for token, _, _ in spans] == list(*splitter.cut([text]))
    for token, start, end in spans:
        assert text[start:end] == token or (token == " " and text[start:end].isspace())


@given(TEXTS)
def test_words_and_marks_lose_only_white_space(text):
    tokens = list(*SPLITTERS["words and marks"].cut([text]))
    assert "".join(tokens) == "".join(text.split())


def test_white_space_is_complete():
    assert set(WHITE_SPACE) == {chr(code) for code in range(0x110000) if chr(code).isspace()}


def test_a_long_text_gives_the_same_words(monkeypatch):
    text = "네, it's 좋아요! " * 9
    expected = list(*SPLITTERS["words"].cut([text]))
    monkeypatch.setattr(splitting, "_LONG_TEXT", 10)
    assert list(*SPLITTERS["words"].cut([text])) == expected
