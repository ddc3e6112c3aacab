"""Training steps that also hold the answers still where the embedded tokens move: no label is needed for that.

Miyato, Dai & Goodfellow 2017, "Adversarial training methods for semi-supervised text classification", section 3,
equations 3 and 4: to the loss of the labelled texts comes the mean over labelled and unlabelled ones of
KL(p(y|x) || p(y|x + r)), with the first distribution held constant and r the perturbation of a given size that changes
the answer most. It is found by one step of the power method on the divergence's second derivative: the gradient of the
divergence a small way along a random direction.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from sulsul.batching import EncodedCorpus, collate, join_texts
from sulsul.model.classifier import Classifier
from sulsul.model.divergence import divergence
from sulsul.model.packed_batch import PackedBatch
from sulsul.training.adversarial_step import AdversarialStep, adversarial_direction
from sulsul.training.objective import Objective
from sulsul.training.settings import TrainingSettings
from sulsul.training.step import Rows, StepOutcome
from sulsul.training.unlabelled_batches import UnlabelledBatches

PROBE_SIZE = 0.01
"""How far the random direction is followed, as a share of the norm of a text's embedded tokens: along it, logits move
some thousandths, which float32 resolves and within which the gradient is still linear."""
_STREAM = 2  # apart from the streams that deal out the texts


class VirtualAdversarialStep(AdversarialStep):
    """A step on the supervised loss, with its own perturbation if ``settings.adversarial`` asks for one, and on the
    divergence of the batch's texts and as many unlabelled ones.

    The three passes of the divergence draw the same dropout masks, so that it is the perturbation alone that moves the
    answers, and leave the statistics of batch normalisation as they are. Class and sample weights are of the supervised
    loss only. A step costs two to four plain ones through torch.

    Parameters
    ----------
    classifier, objective, settings
        As for :class:`sulsul.training.adversarial_step.AdversarialStep`.
    unlabelled
        Texts without labels, encoded as the labelled ones.

    Raises
    ------
    TrainingError
        If the unlabelled corpus holds no texts.
    """

    def __init__(
        self,
        classifier: Classifier,
        objective: Objective,
        settings: TrainingSettings,
        unlabelled: EncodedCorpus | None = None,
    ) -> None:
        super().__init__(classifier, objective, settings)
        self._virtual_size = settings.virtual_adversarial
        self._seed = settings.seed
        self._unlabelled = None if unlabelled is None else UnlabelledBatches(unlabelled, settings)

    def _batches(self, corpus: EncodedCorpus, rows: Rows, step: int) -> list[PackedBatch]:
        """Return the labelled texts and, where there are unlabelled ones, both together."""
        labelled = super()._batches(corpus, rows, step)
        if self._unlabelled is None:
            return labelled
        joined = join_texts([(corpus, rows), (self._unlabelled.corpus, self._unlabelled.rows(step))])
        return [*labelled, PackedBatch.from_arrays(collate(joined, np.arange(len(joined))))]

    def _loss(
        self, corpus: EncodedCorpus, rows: Rows, batches: Sequence[PackedBatch], step: int
    ) -> tuple[StepOutcome, Tensor]:
        """Return what is told of the step and what to minimise; a divergence that is not finite is told."""
        outcome, loss = super()._loss(corpus, rows, batches, step)
        if not np.isfinite(outcome.loss):
            return outcome, loss
        total = loss + self._divergence(batches[-1], step).to(loss.dtype)
        value = total.item()
        return outcome if np.isfinite(value) else outcome._replace(loss=value), total

    def _divergence(self, batch: PackedBatch, step: int) -> Tensor:
        """Return the mean divergence () of the texts under the perturbation that changes their answers most."""
        embedded, batch = self._classifier.embed(batch)
        if not embedded.shape[0]:
            return embedded.new_zeros(())
        random = np.random.default_rng([self._seed, step, _STREAM])
        direction = torch.from_numpy(random.standard_normal(tuple(embedded.shape), np.float32)).to(embedded.dtype)
        masks, fixed, output = torch.get_rng_state(), embedded.detach(), self._classifier.output_kind
        with _kept_statistics(self._classifier):
            with torch.no_grad():
                before = self._classifier.forward_from_inputs(fixed, batch)
            torch.set_rng_state(masks)
            probe = (fixed + adversarial_direction(direction, fixed, batch) * PROBE_SIZE).requires_grad_()
            moved_a_little = self._classifier.forward_from_inputs(probe, batch)
            (gradient,) = torch.autograd.grad(divergence(before, moved_a_little, output), probe)
            torch.set_rng_state(masks)
            moved = embedded + adversarial_direction(gradient, fixed, batch) * self._virtual_size
            return divergence(before, self._classifier.forward_from_inputs(moved, batch), output)


@contextmanager
def _kept_statistics(classifier: Classifier) -> Iterator[None]:
    """Put the moving statistics of batch normalisation back afterwards."""
    kept = [(buffer, buffer.clone()) for buffer in classifier.buffers()]
    yield
    for buffer, value in kept:
        buffer.copy_(value)
