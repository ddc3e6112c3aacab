"""Drawings are well-formed XML whatever the text in them."""

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sulsul.report.svg import Drawing, Scale, clean, nice_ticks, shortened, text_width


@settings(deadline=None)
@given(st.text())
def test_any_text_makes_a_well_formed_drawing(text):
    drawing = Drawing(10, 10, text, text)
    drawing.text(0, 0, text)
    drawing.dot(1, 1, 1, "plot-model-dot", tip=text)
    root = ET.fromstring(drawing.render(standalone=True))
    written = root.find("{http://www.w3.org/2000/svg}text")
    # XML readers turn a carriage return into a line feed
    assert (written.text or "") == clean(text).replace("\r\n", "\n").replace("\r", "\n")


def test_markup_in_text_stays_text():
    drawing = Drawing(10, 10, "<script>1</script>")
    drawing.text(0, 0, "<b>행정</b>")
    assert "<script>" not in drawing.render()
    assert "&lt;b&gt;행정&lt;/b&gt;" in drawing.render()


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_even_and_inside(low, span):
    ticks = nice_ticks(low, low + span)
    assert 2 <= len(ticks) <= 11
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in ticks)
    steps = [b - a for a, b in pairwise(ticks)]
    assert max(steps) - min(steps) <= 1e-6 * max(1.0, abs(low), span)


def test_a_scale_maps_its_ends_and_survives_a_single_value():
    scale = Scale(0, 10, 100, 0)
    assert (scale(0), scale(10), scale(5)) == (100, 0, 50)
    assert Scale(1, 1, 0, 10)(1) == 5
    assert nice_ticks(1, 1) == [1]


def test_hangul_counts_as_full_width_and_long_names_are_cut():
    assert text_width("행정") == pytest.approx(24)
    assert shortened("행정", 30) == "행정"
    cut = shortened("행정경제복지문화", 60)
    assert cut.endswith("…")
    assert text_width(cut) <= 60
