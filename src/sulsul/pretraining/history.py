"""What is remembered of each look at the held-out texts."""

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict


class Look(BaseModel):
    """A look at the held-out texts.

    ``loss`` is the mean sampled loss of the steps since the look before, ``held_out_loss`` the exact mean loss in nats
    per predicted word; ``n_tokens`` counts the tokens read so far, ``seconds`` the time, looks included.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int
    epoch: int
    loss: float
    held_out_loss: float
    learning_rate: float
    n_tokens: int
    seconds: float

    @property
    def perplexity(self) -> float:
        """Number of equally likely words that would be as hard to predict."""
        return math.exp(self.held_out_loss)


def looks_to_csv(looks: Sequence[Look]) -> str:
    """Return the looks as CSV, a line each."""
    names = [*Look.model_fields, "perplexity"]
    lines = [",".join(str(getattr(look, name)) for name in names) for look in looks]
    return "\n".join([",".join(names), *lines]) + "\n"
