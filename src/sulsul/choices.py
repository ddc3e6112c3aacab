"""What a specification leaves to the data, and the rules by which it is settled.

The rules need the size of the data only, never a trial. docs/accuracy.md has the measurements they rest on.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sulsul.specification import RunSpecification, Settleable

_FEWEST_EPOCHS, _MOST_EPOCHS = 2, 16
_EPOCHS_OF_ONE_ROW = 90.0
# How many tokens all networks together may read in training: some minutes on two cores.
_MOST_TOKENS = 8_000_000
_MOST_MEMBERS = 5


@dataclass(frozen=True)
class Facts:
    """Sizes of the training split: texts, classes, and tokens of all texts after truncation."""

    n_texts: int
    n_classes: int
    n_tokens: int


def settle(specification: RunSpecification, facts: Facts) -> tuple[RunSpecification, tuple[str, ...]]:
    """Return the specification with nothing left to choose, and a sentence per choice.

    Examples
    --------
    >>> specification = RunSpecification(choose=("training.epochs",))
    >>> settled, reasons = settle(specification, Facts(n_texts=3_000, n_classes=3, n_tokens=90_000))
    >>> settled.training.epochs, settled.choose
    (9, ())
    >>> print(*reasons)
    training.epochs = 9: 1,000 training texts a class (90 / cube root, from 2 to 16)
    """
    reasons = []
    for setting in specification.choose:
        value, why = _RULES[setting](specification, facts)
        specification = specification.with_overrides([f"{setting}={value}"])
        reasons.append(f"{setting} = {value}: {why}")
    return specification, tuple(reasons)


def _epochs(_: RunSpecification, facts: Facts) -> tuple[int, str]:
    """Large data want few passes and small data many; classes share the texts."""
    per_class = facts.n_texts / facts.n_classes
    epochs = round(_EPOCHS_OF_ONE_ROW / per_class ** (1 / 3))
    why = f"{per_class:,.0f} training texts a class (90 / cube root, from {_FEWEST_EPOCHS} to {_MOST_EPOCHS})"
    return min(max(epochs, _FEWEST_EPOCHS), _MOST_EPOCHS), why


def _members(specification: RunSpecification, facts: Facts) -> tuple[int, str]:
    """Several networks pay most on small data, where they cost least."""
    tokens = facts.n_tokens * specification.training.epochs
    why = f"each reads {tokens:,} tokens in training (up to {_MOST_MEMBERS} networks and {_MOST_TOKENS:,} tokens)"
    return min(max(_MOST_TOKENS // max(1, tokens), 1), _MOST_MEMBERS), why


_RULES: dict[Settleable, Callable[[RunSpecification, Facts], tuple[int, str]]] = {
    "training.epochs": _epochs,
    "ensemble.members": _members,
}
