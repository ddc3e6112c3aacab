import sys
import unicodedata

import pytest

from sulsul.errors import TokenizerError
from sulsul.text import TextSettings, Tokenizer, morphemes

SETTINGS = TextSettings(tokenizer="morpheme")


def test_without_kiwi_the_message_says_how_to_install_it(monkeypatch):
    morphemes._load_kiwi.cache_clear()
    monkeypatch.setitem(sys.modules, "kiwipiepy", None)
    with pytest.raises(TokenizerError, match=r"pip install 'sulsul\[korean\]'"):
        Tokenizer.fit(["나는 갔다"], SETTINGS)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    pytest.importorskip("kiwipiepy")
    return Tokenizer.fit(["나는 학교에 갔다.", "너도 학교에 가라!"], SETTINGS)


def names(tokenizer: Tokenizer, text: str) -> list[str]:
    return [tokenizer.vocabulary()[i] for i in tokenizer.encode([text])[0]]


def test_forms_of_a_verb_share_their_stem(tokenizer):
    assert names(tokenizer, "나는 학교에 갔다.") == ["나", "는", "학교", "에", "가", "었", "다", "."]
    assert names(tokenizer, unicodedata.normalize("NFD", "학교에 갔다")) == ["학교", "에", "가", "었", "다"]


def test_spans(tokenizer):
    text = unicodedata.normalize("NFD", "학교에 갔다")
    ids, spans = tokenizer.encode_with_spans(text)
    assert ids == tokenizer.encode([text])[0].tolist()
    written = [unicodedata.normalize("NFC", text[start:end]) for start, end in spans]
    assert written == ["학교", "에", "갔", "갔", "다"]


def test_texts_longer_than_a_piece(tokenizer):
    text = "나는 학교에 갔다. " * 1000
    ids, offsets = tokenizer.encode(["", text, " ", "가라"])
    assert offsets.tolist() == [0, 0, 8000, 8000, 8000 + 2]
    assert tokenizer.encode_with_spans(text)[0] == ids[:8000].tolist()


def test_odd_texts(tokenizer):
    assert len(tokenizer.encode(["\x00", "\ud800", "\u200b", "가" * 5000])[1]) == 5


def test_round_trip(tokenizer):
    again = Tokenizer.from_json(tokenizer.to_json(), SETTINGS)
    assert again.vocabulary() == tokenizer.vocabulary()
