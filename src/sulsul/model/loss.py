"""The training loss of each kind of output."""

import torch
from torch import Tensor
from torch.nn import functional

from sulsul.model.specification import OutputKind


def classification_loss(
    logits: Tensor,
    targets: Tensor,
    output: OutputKind,
    *,
    class_weights: Tensor | None = None,
    sample_weights: Tensor | None = None,
) -> Tensor:
    """Return the weighted loss summed over the batch and divided by the number of texts, as Keras does.

    The divisor is the number of texts, not the sum of the weights: with balanced class weights the two agree over an
    epoch, and a batch of rare classes keeps its larger gradient (Keras 3 ``sum_over_batch_size``).

    Parameters
    ----------
    logits : shape (B, L)
        L is 1 for ``sigmoid`` and C otherwise.
    targets : shape (B,) int64, or (B, C) float for ``multi-label``
        Class ids, or a 1 for every label a text has.
    output
        ``sigmoid`` and ``multi-label``: binary cross entropy, under ``multi-label`` averaged over the classes;
        ``softmax``: cross entropy.
    class_weights : shape (C,), optional
        Weight of a text by its class; under ``multi-label`` weight of the term of a label that a text carries (not of
        one it lacks), so that a rare label is not simply answered "no".
    sample_weights : shape (B,), optional
        Weight of each text.

    Returns
    -------
    Tensor, shape ()

    Examples
    --------
    >>> import torch
    >>> logits = torch.zeros(2, 1)
    >>> round(float(classification_loss(logits, torch.tensor([0, 1]), "sigmoid")), 4)
    0.6931
    """
    losses = _losses(logits, targets, output, class_weights)
    if sample_weights is not None:
        losses = losses * sample_weights
    return losses.sum() / targets.shape[0]


def _losses(logits: Tensor, targets: Tensor, output: OutputKind, class_weights: Tensor | None) -> Tensor:
    """Return the loss of each text, shape (B,), with class weights applied."""
    if output == "multi-label":
        terms = functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=class_weights, reduction="none")
        return terms.mean(dim=1)
    if output == "softmax":
        return functional.cross_entropy(logits, targets, weight=class_weights, reduction="none")
    losses = functional.binary_cross_entropy_with_logits(logits.squeeze(1), targets.to(logits.dtype), reduction="none")
    return losses if class_weights is None else losses * class_weights[targets]


def probabilities(logits: Tensor, output: OutputKind) -> Tensor:
    """Return class probabilities (B, C): [1 - p, p] for ``sigmoid``, independent columns for ``multi-label``."""
    match output:
        case "sigmoid":
            return torch.sigmoid(torch.cat([-logits, logits], dim=1))
        case "softmax":
            return torch.softmax(logits, dim=1)
        case "multi-label":
            return torch.sigmoid(logits)
