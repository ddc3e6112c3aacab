import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sulsul.text.arrangement import UNKNOWN, arrange
from sulsul.text.settings import TextSettings


def arranged_plainly(ids: list[int], settings: TextSettings) -> tuple[list[int], int]:
    """Apply the same rules to one text, step by step."""
    reserved = settings.reserved
    if "oov" in reserved:
        ids = [reserved.index("oov") if i == UNKNOWN else i for i in ids]
    else:
        ids = [i for i in ids if i != UNKNOWN]
    if "start" in reserved:
        ids = [reserved.index("start"), *ids]
    full = len(ids)
    if settings.max_length is not None:
        ids = ids[-settings.max_length :] if settings.truncate == "front" else ids[: settings.max_length]
    if settings.pad_to is not None:
        pads = [reserved.index("pad")] * (settings.pad_to - len(ids))
        ids = pads + ids if settings.pad_side == "before" else ids + pads
    return ids, full


@st.composite
def text_settings(draw):
    max_length = draw(st.none() | st.integers(1, 6))
    pad_to = draw(st.none() | st.integers(max_length, 8)) if max_length else None
    optional = draw(st.permutations(["start", "oov", "unused"]))[: draw(st.integers(0, 3))]
    return TextSettings(
        reserved=("pad", *optional),
        max_length=max_length,
        pad_to=pad_to,
        truncate=draw(st.sampled_from(["front", "back"])),
        pad_side=draw(st.sampled_from(["before", "after"])),
    )


@given(st.lists(st.lists(st.integers(4, 9) | st.just(UNKNOWN), max_size=9), max_size=6), text_settings())
def test_equals_the_rules_spelt_out(texts, settings):
    flat = np.array([i for text in texts for i in text], np.int32)
    ids, lengths, full = arrange(flat, np.array([len(text) for text in texts], np.int64), settings)
    expected = [arranged_plainly(text, settings) for text in texts]
    assert ids.dtype == np.int32
    assert ids.tolist() == [i for sequence, _ in expected for i in sequence]
    assert lengths.tolist() == [len(sequence) for sequence, _ in expected]
    assert full.tolist() == [length for _, length in expected]
