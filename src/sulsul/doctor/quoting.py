"""How evidence is written down: row numbers, short quotations, shares in words."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from sulsul.corpora import Corpus

MOST_ROWS = 10
_QUOTE = 80


def quote(text: str, length: int = _QUOTE) -> str:
    """Return the beginning of a text on one line, with an ellipsis where it was cut.

    Examples
    --------
    >>> quote("one  two\\nthree", 9)
    'one two t…'
    """
    flat = " ".join(text[: 8 * length].split())
    return flat if len(flat) <= length and len(text) <= 8 * length else flat[:length] + "…"


def row_numbers(
    corpus: Corpus, positions: Iterable[int] | npt.NDArray[np.integer], limit: int = MOST_ROWS
) -> list[int]:
    """Return the row numbers in the source of the first positions in a corpus."""
    return [int(corpus.rows[position]) for position in list(positions)[:limit]]


def percent(share: float) -> str:
    """Return a share in per cent, with as many digits as it takes not to read 0.

    Examples
    --------
    >>> percent(0.6214), percent(0.0004), percent(0.00003), percent(1.0)
    ('62.1 %', '0.04 %', '0.003 %', '100 %')
    """
    if share in (0.0, 1.0):
        return f"{share * 100:.0f} %"
    return f"{share * 100:.1f} %" if share >= 0.001 else f"{share * 100:.1g} %"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> count(1, "text"), count(1200, "text"), count(2, "class", "classes")
    ('1 text', '1,200 texts', '2 classes')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"
