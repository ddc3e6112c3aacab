"""One answer from several: a weighted mean of logits, with weight and temperature fitted on held-out texts.

A mean of logits is a mean of log-probabilities but for a constant in every row, which the normalisation takes away
(logarithmic opinion pool; Genest & Zidek 1986, section 3.3). For one log-odds, or one per label, it is exact.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sulsul.evaluation.logits import loss_of_logits
from sulsul.evaluation.metrics import FloatArray

# Standard deviations of the normal priors on the log-odds of the weight, around equal weights, and on the logarithm of
# the temperature, around 1: with a validation split of 100 texts they still count, with 1,000 hardly. With 1 instead of
# 2, a hundred texts left networks right on 80 % a fifth of the weight beside a linear part right on 90 (IMDB, 1,000
# labels).
_WEIGHT_PRIOR = 2.0
_TEMPERATURE_PRIOR = 1.0
# A margin of 1, which a support vector machine aims at, starts as a probability of 0.95.
_TYPICAL_SCALE = 3.0
_FARTHEST = 4.0


class Blend(BaseModel):
    """How the logits of the recurrent part and of the linear part become one answer.

    Attributes
    ----------
    linear_weight
        w: the answer is ((1 − w) · recurrent + w · linear) / temperature; 0 without a linear part.
    temperature
        Above 1 softens, below 1 sharpens (Guo et al. 2017, section 4.2).
    n_texts
        How many held-out texts they were fitted on; 0: they are the defaults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    linear_weight: float = Field(default=0.0, ge=0.0, le=1.0)
    temperature: float = Field(default=1.0, gt=0.0)
    n_texts: int = Field(default=0, ge=0)

    def combine(self, recurrent: NDArray[np.floating], linear: NDArray[np.floating] | None) -> NDArray[np.floating]:
        """Return the logits (B, L) of the whole answer.

        Parameters
        ----------
        recurrent
            Mean logits (B, L) of the recurrent members.
        linear
            Logits (B, L) of the linear part; None where there is none.
        """
        if linear is None:
            return recurrent if self.temperature == 1.0 else recurrent / self.temperature
        mixed = (1.0 - self.linear_weight) * recurrent.astype(np.float64) + self.linear_weight * linear
        return np.asarray(mixed / self.temperature)


def fit_blend(
    recurrent: NDArray[np.floating], linear: NDArray[np.floating] | None, truth: NDArray[Any], *, temperature: bool
) -> Blend:
    """Find weight and temperature with the smallest log loss on held-out texts, held towards equal weights and 1.

    The penalty is that of a normal prior on the log-odds of the weight, of standard deviation 2, and one on the
    logarithm of the temperature, of standard deviation 1.

    Parameters
    ----------
    recurrent, linear
        Logits (B, L) of both parts; ``linear`` may be None.
    truth
        Class ids (B,), or multi-hot (B, C).
    temperature
        Whether to fit one; otherwise it is 1.

    Examples
    --------
    >>> truth = np.arange(400) % 2
    >>> good, useless = np.where(truth, 1.0, -1.0)[:, None], np.zeros((400, 1))
    >>> blend = fit_blend(good, useless, truth, temperature=False)
    >>> blend.linear_weight < 0.1, blend.temperature, blend.n_texts
    (True, 1.0, 400)
    """
    default = default_blend(linear is not None)
    free = (linear is not None, temperature)
    if not len(truth) or not any(free):
        return default

    def blend_at(values: FloatArray) -> Blend:
        left = list(values)
        weight = float(1.0 / (1.0 + np.exp(-left.pop(0)))) if free[0] else 0.0
        return Blend(linear_weight=weight, temperature=float(np.exp(left.pop(0))) if free[1] else 1.0)

    priors = np.array([_WEIGHT_PRIOR, _TEMPERATURE_PRIOR])[np.array(free)]

    def objective(values: FloatArray) -> float:
        loss = loss_of_logits(blend_at(values).combine(recurrent, linear), truth).sum()
        return float(loss + 0.5 * ((values / priors) ** 2).sum())

    return blend_at(_minimum(objective, len(priors))).model_copy(update={"n_texts": len(truth)})


def default_blend(has_linear: bool) -> Blend:
    """Return what is used where nothing can be fitted: equal weights, temperature 1."""
    return Blend(linear_weight=0.5 if has_linear else 0.0)


def fit_scale(decisions: NDArray[np.floating], truth: NDArray[Any]) -> float:
    """Return the factor that makes decisions (B, K) logits, by log loss on held-out texts; 3 where there are none.

    Held towards 3 by a normal prior of standard deviation 1 on its logarithm, so that separable texts leave it finite.
    """
    if not len(truth):
        return _TYPICAL_SCALE

    def objective(values: FloatArray) -> float:
        factor = _TYPICAL_SCALE * np.exp(values[0])
        return float(loss_of_logits(factor * decisions, truth).sum() + 0.5 * values[0] ** 2)

    return float(_TYPICAL_SCALE * np.exp(_minimum(objective, 1)[0]))


def _minimum(objective: Any, n: int) -> FloatArray:
    from scipy import optimize  # slow to import, and only fitting needs it

    found = optimize.minimize(objective, np.zeros(n), method="L-BFGS-B", bounds=[(-_FARTHEST, _FARTHEST)] * n)
    return np.asarray(found.x, dtype=np.float64)
