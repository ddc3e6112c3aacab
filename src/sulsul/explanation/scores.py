"""The one number per text that an explanation distributes over its tokens."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sulsul.model.specification import OutputKind

Ids = npt.NDArray[np.int64]


def log_odds(logits: Tensor, targets: Tensor, output: OutputKind) -> Tensor:
    """Return ln(p / (1 - p)) of each text's target class, shape (B,).

    Unlike a probability it does not flatten where the network is sure, so influences add up.

    Parameters
    ----------
    logits : shape (B, L)
        L is 1 for ``sigmoid`` and C otherwise.
    targets : shape (B,), int64
        Class ids.
    output
        What the logits mean.

    Examples
    --------
    >>> log_odds(torch.tensor([[2.0], [2.0]]), torch.tensor([1, 0]), "sigmoid").tolist()
    [2.0, -2.0]
    """
    if output == "sigmoid":
        return logits[:, 0] * (2 * targets - 1).to(logits.dtype)
    chosen = logits.gather(1, targets.unsqueeze(1)).squeeze(1)
    if output == "multi-label":
        return chosen
    others = logits.scatter(1, targets.unsqueeze(1), -torch.inf)
    return chosen - torch.logsumexp(others, dim=1)


def log_odds_of_arrays(logits: npt.NDArray[np.floating], targets: Ids, output: OutputKind) -> npt.NDArray[np.float64]:
    """Return :func:`log_odds` for NumPy arrays, in float64."""
    scores: npt.NDArray[np.float64] = log_odds(
        torch.from_numpy(np.asarray(logits, dtype=np.float64)), torch.from_numpy(targets), output
    ).numpy()
    return scores
