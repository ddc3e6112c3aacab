"""Length statistics by hand, and their histogram."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sulsul.report.lengths import lengths_plot, lengths_svg, summarise_lengths


def test_shares_by_hand():
    summary = summarise_lengths([0, 2, 4, 10], max_length=4, pad_to=5)
    assert (summary.n, summary.mean, summary.longest) == (4, 4.0, 10)
    assert summary.truncated_texts == 0.25
    assert summary.truncated_tokens == pytest.approx(6 / 16)
    assert summary.padding == pytest.approx(1 - 10 / 20)
    assert summary.percentiles["50"] == 2


def test_nothing_is_cut_without_a_limit():
    summary = summarise_lengths([3, 5])
    assert (summary.max_length, summary.truncated_texts, summary.truncated_tokens) == (None, 0.0, 0.0)
    assert summary.padding is None


@settings(deadline=None)
@given(st.lists(st.integers(0, 5000), min_size=1, max_size=80), st.none() | st.integers(1, 6000))
def test_every_text_is_in_one_bin(lengths, max_length):
    summary = summarise_lengths(lengths, max_length=max_length)
    assert sum(summary.counts) == len(lengths)
    assert 2 <= len(summary.counts) <= 40
    assert "nan" not in lengths_plot(summary).render()


def test_all_empty_texts_are_legal():
    summary = summarise_lengths([0, 0], max_length=3)
    assert summary.truncated_tokens == 0.0
    assert "cut at 3" in lengths_plot(summary).render()


def test_a_few_very_long_texts_share_the_last_bar():
    lengths = np.concatenate([np.full(1000, 30), [9000]])
    summary = summarise_lengths(lengths)
    assert summary.edges[-1] < 100
    assert summary.counts[-1] >= 1
    assert "tokens or more: 1 texts" in lengths_plot(summary).render()


def test_bars_beyond_the_limit_are_marked(full_record):
    rendered = lengths_plot(full_record.text.lengths).render()
    assert rendered.count("plot-bar-cut") == 11
    assert "cut at 200: 6.2 % of texts" in rendered


def test_the_file_carries_a_hangul_title(full_record):
    assert "글의 길이" in lengths_svg(full_record.text.lengths, title="글의 길이")


def test_no_texts_are_refused():
    with pytest.raises(ValueError, match="no texts"):
        summarise_lengths([])
