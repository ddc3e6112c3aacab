"""A check: what it is called, what it looks at, and the function that looks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from sulsul.findings import Finding

Stage = Literal["data", "encoded", "specification", "model", "run", "keras"]
Cost = Literal["quick", "thorough"]

E = TypeVar("E")


@dataclass(frozen=True)
class Check(Generic[E]):
    """One check on one kind of evidence.

    Attributes
    ----------
    slug
        Stable name; ``docs/mistakes.md`` has a section of it. One mistake can be visible in several kinds of
        evidence, so several checks may share a slug.
    stage
        What the check needs to see.
    look
        Returns what it found; nothing where all is well.
    cost
        ``quick``: seconds on 150,000 texts, and part of every training run. ``thorough``: up to a minute.
    """

    slug: str
    stage: Stage
    look: Callable[[E], Iterable[Finding]]
    cost: Cost = "quick"
