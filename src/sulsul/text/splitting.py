"""Cutting a normalised text into tokens: words, words and punctuation, or characters.

Each rule is one regular expression, used both to cut and to say where a token lies, so the two cannot differ.
"""

import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Protocol

KERAS_FILTER = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
"""What ``keras.preprocessing.text.Tokenizer`` treats as white space besides the space itself; no apostrophe."""

DELETED_MARKS = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"
"""What ``keras.layers.TextVectorization`` deletes: every ASCII mark, the apostrophe among them."""

WHITE_SPACE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
"""Every character for which :meth:`str.isspace` holds; none lies above U+3000."""

LONGEST_WORD = 4096
"""Where asked, a run without white space is cut after so many characters: no word is as long, and byte pair encoding
takes 90 bytes of memory for each character of one word."""

_LONG_TEXT = 1 << 20  # from this many characters on, tokens are yielded one by one, not gathered in a list


class Splitter(Protocol):
    """A rule that cuts a normalised text into tokens."""

    def cut(self, texts: Sequence[str]) -> Iterable[Iterable[str]]:
        """Return the tokens of each text in order."""
        ...

    def spans(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Yield each token with its first character's index and the index after its last one."""
        ...


class PatternSplitter:
    """Tokens are the matches of a regular expression."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)

    def cut(self, texts: Sequence[str]) -> Iterable[Iterable[str]]:
        """Return the matches in each text."""
        return map(self._matches, texts)

    def _matches(self, text: str) -> Iterable[str]:
        if len(text) < _LONG_TEXT:
            return self._pattern.findall(text)
        return (match[0] for match in self._pattern.finditer(text))

    def spans(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Yield each match and its span."""
        for match in self._pattern.finditer(text):
            yield match[0], match.start(), match.end()


class CharacterSplitter:
    """Every character is a token; white space between them is one space, and none at the ends.

    Examples
    --------
    >>> [list(tokens) for tokens in CharacterSplitter().cut([" 안녕\\n 술 "])]
    [['안', '녕', ' ', '술']]
    """

    def cut(self, texts: Sequence[str]) -> Iterable[Iterable[str]]:
        """Return the characters of each text."""
        return (" ".join(text.split()) for text in texts)

    def spans(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Yield each character and its span; a run of white space is one token."""
        first, last = len(text) - len(text.lstrip()), len(text.rstrip())
        for match in re.compile(r"\s+|\S").finditer(text, first, last):
            token = match[0]
            yield (" " if token.isspace() else token), match.start(), match.end()


class DeletingSplitter:
    """Words between white space, without the marks in them.

    Examples
    --------
    >>> [list(tokens) for tokens in DeletingSplitter().cut(["it's good -- really,so!"])]
    [['its', 'good', 'reallyso']]
    """

    _deletion = str.maketrans("", "", DELETED_MARKS)

    def cut(self, texts: Sequence[str]) -> Iterable[Iterable[str]]:
        """Return the words of each text."""
        return (text.translate(self._deletion).split() for text in texts)

    def spans(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Yield each word and where it lies, deleted marks inside and around it included."""
        for match in re.compile(r"\S+").finditer(text):
            if token := match[0].translate(self._deletion):
                yield token, match.start(), match.end()


def word_splitter(*, filter_punctuation: bool, cut_long_words: bool = False) -> PatternSplitter:
    """Return the rule for words.

    Parameters
    ----------
    filter_punctuation
        True: cut at spaces and at Keras's punctuation, which is lost. False: cut at any white space, and
        every punctuation character is a token of its own.
    cut_long_words
        Without the filter only: cut words after :data:`LONGEST_WORD` characters.

    Examples
    --------
    >>> list(word_splitter(filter_punctuation=True).cut(["it's good, really!"]))
    [["it's", 'good', 'really']]
    >>> list(word_splitter(filter_punctuation=False).cut(["good, really!"]))
    [['good', ',', 'really', '!']]
    """
    if filter_punctuation:
        return PatternSplitter(f"[^{re.escape(KERAS_FILTER)} ]+")
    marks = punctuation_class()
    repeat = f"{{1,{LONGEST_WORD}}}" if cut_long_words else "+"
    return PatternSplitter(f"[{marks}]|[^{marks}{re.escape(WHITE_SPACE)}]{repeat}")


@cache
def punctuation_class() -> str:
    """Return every punctuation character as the inside of a regular expression's character class.

    Punctuation is Unicode's category P and all of ASCII's marks, among them ``$+<=>^`|~``, as BERT's basic
    tokenizer defines it.
    """
    codes = [code for code in range(sys.maxunicode + 1) if _is_punctuation(chr(code))]
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in ranges)


def _is_punctuation(character: str) -> bool:
    ascii_mark = character.isascii() and character.isprintable() and not character.isalnum() and character != " "
    return ascii_mark or unicodedata.category(character).startswith("P")
