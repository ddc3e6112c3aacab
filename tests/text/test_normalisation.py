import unicodedata
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from sulsul.text.normalisation import normalise, normalise_with_origins

HARD = st.text(
    alphabet=st.one_of(
        st.sampled_from("aA가각각ᆫ한ᄒ\u0301\u0323\u0308é\u0130Σσ \u200b\x00\u09c7\u09be\u3099か\ufb1d\u0344"),
        st.characters(),
        st.characters(categories=["Cs"]),
    ),
    max_size=20,
)


def test_decomposed_hangul_is_composed():
    decomposed = unicodedata.normalize("NFD", "한국어 텍스트")
    assert len(decomposed) > len("한국어 텍스트")
    assert normalise(decomposed) == "한국어 텍스트"


def test_lone_surrogates_become_the_replacement_character():
    assert normalise("a\ud800b\udfff") == "a\ufffdb\ufffd"


def test_lower_case_as_keras_has_it():
    assert normalise("ÄΣ ΟΔΟΣ", lowercase=True) == "ÄΣ ΟΔΟΣ".lower()


@given(HARD, st.booleans())
@example("ΟΔΟΣ", True)
@example("x\u0130y", True)
@example("\u1100\u1161\u11a8\u11a8", False)
def test_origins_belong_to_the_normalised_text(text, lowercase):
    normalised, origins = normalise_with_origins(text, lowercase=lowercase)
    assert normalised == normalise(text, lowercase=lowercase)
    assert len(origins) == len(normalised) + 1
    assert origins[-1] == len(text)
    assert all(a <= b for a, b in pairwise(origins))
    assert not text or origins[0] == 0


@given(HARD)
def test_text_between_two_origins_normalises_to_the_characters_between(text):
    normalised, origins = normalise_with_origins(text)
    cuts = [0, *(i for i in range(1, len(normalised)) if origins[i] != origins[i - 1]), len(normalised)]
    for first, last in pairwise(cuts):
        assert normalise(text[origins[first] : origins[last]]) == normalised[first:last]
