"""Cutting Korean text into morphemes with Kiwi (Lee, 2024: Kiwi, a Korean morphological analyser)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from sulsul.errors import TokenizerError

if TYPE_CHECKING:
    import kiwipiepy

# Kiwi's time grows with the square of the length: 11,000 characters take 0.1 s, 110,000 take 6.5 s. Longer texts
# are therefore analysed in pieces, cut at white space where there is any.
_PIECE = re.compile(r".{1,4096}(?!\S)|.{1,4096}", re.DOTALL)


class MorphemeSplitter:
    """Tokens are the dictionary forms of morphemes: 갔다 is 가, 었, 다.

    Raises
    ------
    TokenizerError
        If Kiwi is not installed.
    """

    def __init__(self) -> None:
        self._kiwi = _load_kiwi()

    def cut(self, texts: Sequence[str]) -> Iterator[Iterable[str]]:
        """Yield the morphemes of each text; Kiwi works on several texts at once."""
        pieces = [_PIECE.findall(text) for text in texts]
        analysed = iter(self._kiwi.tokenize(piece for text_pieces in pieces for piece in text_pieces))
        for text_pieces in pieces:
            yield [morpheme.form for _ in text_pieces for morpheme in next(analysed)]

    def spans(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Yield each morpheme and where it is written; two fused into one syllable share its span."""
        for piece in _PIECE.finditer(text):
            for morpheme in self._kiwi.tokenize(piece[0]):
                start = piece.start() + morpheme.start
                yield morpheme.form, start, start + morpheme.len


@cache
def _load_kiwi() -> "kiwipiepy.Kiwi":
    try:
        import kiwipiepy
    except ImportError as error:
        raise TokenizerError(
            "The morpheme tokenizer needs Kiwi, which is not installed. Install it: pip install 'sulsul[korean]'"
        ) from error
    return kiwipiepy.Kiwi()
