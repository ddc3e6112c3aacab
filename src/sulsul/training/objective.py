"""The loss that training minimises, and what counts as a correct answer."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from sulsul.model.loss import classification_loss
from sulsul.model.specification import OutputKind


class Objective:
    """Mean loss of a batch with class and sample weights applied.

    Parameters
    ----------
    output
        What the logits mean.
    class_weights : shape (C,), float32, optional
        ``sigmoid`` and ``softmax``: factor on the loss of a text of the class. ``multi-label``: factor on the loss of
        the texts that carry the label (not of those that lack it), so that a rare label is not simply answered "no".
    """

    def __init__(self, output: OutputKind, class_weights: npt.NDArray[np.float32] | None = None) -> None:
        self.output = output
        self._weights = None if class_weights is None else torch.from_numpy(class_weights)

    def __call__(self, logits: Tensor, targets: Tensor, sample_weights: Tensor | None = None) -> Tensor:
        """Return the loss, shape (), of ``logits`` (B, L) for the ``targets`` of :func:`targets_tensor`.

        ``sample_weights`` (B,) are factors on the loss of each text; the sum is divided by B all the same.
        """
        if self.output == "multi-label" and self._weights is not None and sample_weights is None:
            return binary_cross_entropy_with_logits(logits, targets, pos_weight=self._weights)
        return classification_loss(
            logits, targets, self.output, class_weights=self._weights, sample_weights=sample_weights
        )


def targets_tensor(class_ids: npt.NDArray[np.generic]) -> Tensor:
    """Return labels as torch wants them: int64 (B,) or, for label sets, float32 (B, C)."""
    return torch.from_numpy(np.ascontiguousarray(class_ids, dtype=np.float32 if class_ids.ndim == 2 else np.int64))


def answers(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Return the predicted class ids (B,) of one-label logits (B, L); L = 1 answers class 1 when p > 0.5."""
    if logits.shape[1] == 1:
        return (logits[:, 0] > 0).astype(np.int64)
    largest: npt.NDArray[np.int64] = logits.argmax(axis=1)
    return largest


def count_correct(logits: npt.NDArray[np.floating], class_ids: npt.NDArray[np.generic]) -> int:
    """Return how many texts are answered correctly; of label sets, how many have every label right."""
    if class_ids.ndim == 2:
        return int(((logits > 0) == (class_ids > np.float32(0.5))).all(axis=1).sum())
    return int((answers(logits) == class_ids).sum())
