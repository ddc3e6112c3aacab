"""Which script texts are written in."""

import polars as pl


def mostly_hangul(texts: pl.Series) -> bool:
    """Return whether more than half of the letters are Hangul.

    Examples
    --------
    >>> mostly_hangul(pl.Series(["버스 노선 A"])), mostly_hangul(pl.Series(["bus route 가"]))
    (True, False)
    """
    return 2 * int(texts.str.count_matches(r"\p{Hangul}").sum()) > int(texts.str.count_matches(r"\p{L}").sum())
