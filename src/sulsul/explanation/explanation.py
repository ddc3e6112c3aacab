"""What an explanation says about one text."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sulsul.explanation.faithfulness import Faithfulness


@dataclass(frozen=True)
class TokenInfluence:
    """A token, the characters ``text[start:end]`` it was made from, and its influence on the target's log-odds."""

    token: str
    start: int
    end: int
    influence: float


@dataclass(frozen=True)
class Segment:
    """Characters ``text[start:end]`` with one influence; 0.0 where no token was made from them."""

    start: int
    end: int
    influence: float


@dataclass(frozen=True)
class Explanation:
    """How each token moved the answer for one text.

    Attributes
    ----------
    text
        The text as given.
    target
        The class that is explained; positive influences speak for it.
    probability
        Of the target.
    log_odds
        ln(p / (1 - p)) of the target, which the influences are parts of.
    method
        How they were found.
    tokens
        In the order of the text; truncated tokens are absent, for the network did not see them.
    remainder
        Influence of what is in no token of the text: START and PAD; what only a linear part reads, such as white space,
        or the end of a text that was cut off for the network.
    faithfulness
        Deletion test of these influences; None if the text has fewer than two tokens, or it was not asked for.
    """

    text: str
    target: str
    probability: float
    log_odds: float
    method: str
    tokens: tuple[TokenInfluence, ...]
    remainder: float
    faithfulness: Faithfulness | None

    def segments(self) -> Iterator[Segment]:
        """Yield the whole text in order, cut where the influence changes; tokens on the same characters are added."""
        place = 0
        for segment in self._merged():
            if segment.start > place:
                yield Segment(place, segment.start, 0.0)
            yield segment
            place = segment.end
        if place < len(self.text):
            yield Segment(place, len(self.text), 0.0)

    def _merged(self) -> list[Segment]:
        merged: list[Segment] = []
        for token in sorted(self.tokens, key=lambda token: (token.start, token.end)):
            last = merged[-1] if merged else None
            if last is not None and token.start < last.end:
                merged[-1] = Segment(last.start, max(last.end, token.end), last.influence + token.influence)
            else:
                merged.append(Segment(token.start, token.end, token.influence))
        return merged

    def to_dict(self) -> dict[str, Any]:
        """Return everything as values that JSON can hold."""
        return asdict(self)
