"""What an answer is made of: how many networks, whether a linear model beside them, and how far to trust it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sulsul.none_word import NONE_IS_A_WORD


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EnsembleSettings(_Settings):
    """Several networks of one specification, whose logits are averaged.

    Member i is initialised and shuffled with the seed ``training.seed + i``; split and vocabulary are the same for all.
    """

    members: int = Field(default=1, ge=1, le=100)


class WideSettings(_Settings):
    """What answers beside the recurrent networks.

    ``linear``: a tuned linear model on the n-grams, of words or of characters, of which the baseline scores better on
    held-out training texts; its columns are scaled by how much each n-gram speaks for a class
    (:func:`sulsul.evaluation.baselines.fit_linear_part`). It is fitted on the training split.
    """

    kind: Annotated[Literal["none", "linear"], NONE_IS_A_WORD] = "none"


class CalibrationSettings(_Settings):
    """What is fitted on the validation split after training.

    Attributes
    ----------
    temperature
        ``validation``: one temperature, by log loss.
    abstain_precision
        Wanted share of right answers among those that are given; the confidence from which on they are is stored.
    """

    temperature: Annotated[Literal["none", "validation"], NONE_IS_A_WORD] = "none"
    abstain_precision: float | None = Field(default=None, gt=0.0, lt=1.0)
