"""Writing systems of texts: what a corpus is written in, and which language a reader's browser should assume."""

import re

import polars as pl

_SCRIPTS = {
    "Hangul": r"\p{Hangul}",
    "Latin": r"\p{Latin}",
    "Han": r"\p{Han}",
    "Kana": r"[\p{Hiragana}\p{Katakana}]",
    "Cyrillic": r"\p{Cyrillic}",
    "Arabic": r"\p{Arabic}",
}
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
_KANA = re.compile("[\u3040-\u30ff]")
_HAN = re.compile("[\u3400-\u9fff]")


def script_shares(texts: pl.Series) -> dict[str, float]:
    """Return the share of all letters by writing system, the largest first; empty where there are no letters.

    Hangul, Latin, Han, Kana, Cyrillic and Arabic are told apart; the rest is ``other``.
    """
    total = int(texts.str.count_matches(r"\p{L}").sum() or 0)
    if not total:
        return {}
    counts = {name: int(texts.str.count_matches(f"[{pattern}&&\\p{{L}}]").sum()) for name, pattern in _SCRIPTS.items()}
    counts["other"] = total - sum(counts.values())
    present = sorted(((count, name) for name, count in counts.items() if count > 0), reverse=True)
    return {name: count / total for count, name in present}


def language_of(text: str) -> str:
    """Return the language tag a text should be marked with: ko, ja, zh, or empty for unknown.

    Without it a browser draws Han characters in the shapes of whatever language the page is in, and breaks Korean
    lines within words.

    Examples
    --------
    >>> language_of("버스 노선"), language_of("plain"), language_of("行政")
    ('ko', '', 'zh')
    """
    if _HANGUL.search(text):
        return "ko"
    if _KANA.search(text):
        return "ja"
    return "zh" if _HAN.search(text) else ""
