"""``none`` as one of the words that a setting knows: ``--set`` reads it as no value."""

from pydantic import BeforeValidator


def _word(value: object) -> object:
    return "none" if value is None else value


NONE_IS_A_WORD = BeforeValidator(_word)
"""For ``Annotated[Literal["none", …], NONE_IS_A_WORD]``."""
