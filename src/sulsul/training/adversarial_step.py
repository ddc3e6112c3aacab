"""Training steps on every batch twice: as it is, and with its embedded tokens moved to where the loss grows fastest.

Miyato, Dai & Goodfellow 2017, "Adversarial training methods for semi-supervised text classification", section 3.
There the embeddings are normalised so that growing them does not outrun a perturbation of fixed size; here the size is
a share of the norm of the text's own embedded tokens, which has the same effect and leaves the table as it is.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sulsul.batching import EncodedCorpus
from sulsul.model.classifier import Classifier
from sulsul.model.packed_batch import PackedBatch
from sulsul.model.segments import segment_sum
from sulsul.training.objective import Objective, count_correct
from sulsul.training.settings import TrainingSettings
from sulsul.training.step import Rows, StepOutcome, TorchStep, labels_of


class AdversarialStep(TorchStep):
    """A step on the mean of the losses with and without the perturbation.

    It costs about two plain steps through torch. The recurrence itself still runs on what the classifier was
    built with. The loss and the correct answers told are those without the perturbation.
    """

    def __init__(self, classifier: Classifier, objective: Objective, settings: TrainingSettings) -> None:
        super().__init__(classifier, objective, settings)
        self._size = settings.adversarial

    def _loss(
        self, corpus: EncodedCorpus, rows: Rows, batches: Sequence[PackedBatch], step: int
    ) -> tuple[StepOutcome, Tensor]:
        class_ids, targets, weights = labels_of(corpus, rows)
        embedded, batch = self._classifier.embed(batches[0])
        if not embedded.requires_grad:  # a table that is not trained
            embedded.requires_grad_()
        logits = self._classifier.forward_from_inputs(embedded, batch)
        loss = self._objective(logits, targets, weights)
        outcome = StepOutcome(loss.item(), count_correct(logits.detach().numpy(), class_ids))
        if self._size == 0 or not np.isfinite(outcome.loss) or not embedded.shape[0]:
            return outcome, loss
        (gradient,) = torch.autograd.grad(loss, embedded, retain_graph=True)
        moved = embedded + adversarial_direction(gradient, embedded.detach(), batch) * self._size
        perturbed = self._objective(self._classifier.forward_from_inputs(moved, batch), targets, weights)
        return outcome, (loss + perturbed) / 2


def adversarial_direction(gradient: Tensor, embedded: Tensor, batch: PackedBatch) -> Tensor:
    """Return the gradient (N, E), scaled for each text to the norm of its embedded tokens (N, E).

    A text without a gradient is not moved.
    """
    norms = segment_sum(torch.stack([embedded.square().sum(1), gradient.square().sum(1)], dim=1), batch).sqrt()
    scale = torch.where(norms[:, 1] > 0, norms[:, 0] / norms[:, 1], torch.zeros_like(norms[:, 0]))
    return gradient * scale.index_select(0, batch.sequence_of_row).unsqueeze(1)
