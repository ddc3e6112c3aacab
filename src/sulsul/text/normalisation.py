"""One spelling for one text, and the way back to the characters it came from.

Hangul can be written as whole syllables (NFC) or as separate letters (NFD, as macOS file names and some exports do).
Both look the same and would otherwise become different tokens, so every text is brought to NFC before anything else.
"""

import re
import sys
import unicodedata
from functools import cache

_SURROGATES = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


def normalise(text: str, *, lowercase: bool = False) -> str:
    """Return ``text`` in Unicode normal form C, optionally in lower case.

    Parameters
    ----------
    text
        Any string. Lone surrogates, which no encoding can write, become U+FFFD.
    lowercase
        Lower-case after composing, with :meth:`str.lower` as Keras does.

    Examples
    --------
    >>> normalise("Ha\u1112\u1161\u11ab", lowercase=True)
    'ha한'
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", _SURROGATES.sub(_REPLACEMENT, text))
    return text.lower() if lowercase else text


def normalise_with_origins(text: str, *, lowercase: bool = False) -> tuple[str, list[int]]:
    """Return the normalised text and where each of its characters begins in ``text``.

    Parameters
    ----------
    text, lowercase
        As for :func:`normalise`.

    Returns
    -------
    normalised : str
        Equal to ``normalise(text, lowercase=lowercase)``.
    origins : list of int
        One index into ``text`` per normalised character, and a last one equal to ``len(text)``; never falling.
        The characters ``[i, j)`` of the result come from ``text[origins[i]:origins[j]]``.

    Examples
    --------
    >>> normalise_with_origins("\u1112\u1161\u11ab글")
    ('한글', [0, 3, 4])
    """
    normalised = normalise(text, lowercase=lowercase)
    if text.isascii():
        return normalised, list(range(len(text) + 1))
    origins: list[int] = []
    for start, end in _composition_runs(text):
        composed = normalise(text[start:end])
        # Characters of a run that did not map one to one all share the run's beginning.
        begins = range(start, end) if len(composed) == end - start else [start] * len(composed)
        for character, begin in zip(composed, begins, strict=True):
            origins.extend([begin] * (len(character.lower()) if lowercase else 1))
    origins.append(len(text))
    return normalised, origins


def _composition_runs(text: str) -> list[tuple[int, int]]:
    """Cut ``text`` where no character can combine with the one before it."""
    joins = _joining_starters()
    cuts = [
        index
        for index, character in enumerate(text)
        if index == 0 or (unicodedata.combining(character) == 0 and character not in joins)
    ]
    return list(zip(cuts, [*cuts[1:], len(text)], strict=True))


@cache
def _joining_starters() -> frozenset[str]:
    """Characters of combining class 0 that NFC may still join to the one before: Hangul vowels and finals, some Indic.

    They are the second characters of canonical pairs (Unicode Standard, section 3.11, definition D117), and those
    whose own decomposition begins with such a character.
    """
    joining = set(map(chr, [*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)]))
    pairs = []
    for code in range(sys.maxunicode + 1):
        decomposition = unicodedata.decomposition(chr(code))
        if decomposition and not decomposition.startswith("<"):
            pairs.append((chr(code), [chr(int(part, 16)) for part in decomposition.split()]))
    joining.update(parts[1] for _, parts in pairs if len(parts) == 2)
    for character, parts in pairs:
        if unicodedata.combining(character) == 0 and (parts[0] in joining or unicodedata.combining(parts[0])):
            joining.add(character)
    return frozenset(joining)
