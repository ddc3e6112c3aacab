"""How far the answers of a network are from those it gave before."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from sulsul.model.specification import OutputKind


def divergence(before: Tensor, now: Tensor, output: OutputKind) -> Tensor:
    """Return the mean over the texts of KL(p || q), float64, for p of the logits ``before`` and q of those ``now``.

    It is computed in float64: where both are nearly sure, their difference is less than float32 holds of a probability.

    Parameters
    ----------
    before : shape (B, L)
        Held constant: no gradient goes there.
    now : shape (B, L)
        Where the gradient goes: that of a text is (q - p) / B.
    output
        ``softmax``: of the distribution over the classes. ``sigmoid`` and ``multi-label``: of a yes or no, under
        ``multi-label`` averaged over the labels, as :func:`sulsul.model.loss.classification_loss` does.

    Returns
    -------
    Tensor, shape ()
        Never below 0 by more than rounding.

    Examples
    --------
    >>> logits = torch.tensor([[0.0, 1.0]])
    >>> float(divergence(logits, logits, "softmax"))
    0.0
    """
    p, q = before.detach().double(), now.double()
    if output == "softmax":
        log_p, log_q = torch.log_softmax(p, 1), torch.log_softmax(q, 1)
        return (log_p.exp() * (log_p - log_q)).sum(1).mean()
    yes = torch.sigmoid(p) * (logsigmoid(p) - logsigmoid(q))
    no = torch.sigmoid(-p) * (logsigmoid(-p) - logsigmoid(-q))
    return (yes + no).mean()
