"""Writing systems and language tags."""

import polars as pl
import pytest

from sulsul.report.scripts import language_of, script_shares


def test_shares_of_letters():
    shares = script_shares(pl.Series(["버스 A", "ab 12!", ""]))
    assert shares == pytest.approx({"Latin": 0.6, "Hangul": 0.4})
    assert list(shares) == ["Latin", "Hangul"]


def test_unlisted_scripts_are_other_and_no_letters_are_nothing():
    assert script_shares(pl.Series(["ขอบคุณ"]))["other"] == 1.0
    assert script_shares(pl.Series(["123", ""])) == {}


@pytest.mark.parametrize(("text", "tag"), [("버스", "ko"), ("ㅋㅋ", "ko"), ("かな", "ja"), ("行政", "zh"), ("bus", "")])
def test_language_tags(text, tag):
    assert language_of(text) == tag
