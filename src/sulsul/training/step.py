"""One optimizer step, behind the seam that torch's and the native implementation share."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import Parameter

from sulsul.batching import EncodedCorpus, collate
from sulsul.model.classifier import Classifier
from sulsul.model.packed_batch import PackedBatch
from sulsul.text.labels import ClassIds
from sulsul.training.batch_table import BatchTable, touched_rows
from sulsul.training.clipping import clip_gradients
from sulsul.training.objective import Objective, count_correct, targets_tensor
from sulsul.training.optimizers import (
    build_optimizer,
    load_optimizer_tensors,
    optimizer_tensors,
    take_lazy_step,
    take_step,
)
from sulsul.training.settings import TrainingSettings

Rows = npt.NDArray[np.int64]
StepBackend = Literal["native", "torch"]


class StepOutcome(NamedTuple):
    """What a step computed before it changed the weights.

    Attributes
    ----------
    loss
        Mean weighted loss of the batch.
    n_correct
        Number of texts answered correctly, as the network was in training, dropout included.
    """

    loss: float
    n_correct: int


class StepRunner(Protocol):
    """Takes optimizer steps on a classifier, whose parameters it updates in place."""

    backend: StepBackend

    def run(self, corpus: EncodedCorpus, rows: Rows, *, learning_rate: float, step: int) -> StepOutcome:
        """Take one step on the labelled texts at ``rows``; ``step`` counts the steps taken before it."""

    def run_for(
        self, seconds: float, corpus: EncodedCorpus, batches: list[Rows], *, learning_rates: list[float], step: int
    ) -> list[StepOutcome]:
        """Take steps on the first of the batches, one at least, and return their outcomes.

        ``step`` is for the first batch. No step is begun once ``seconds`` are over, or after a loss that is not finite.
        """

    def tensors(self) -> dict[str, Tensor]:
        """Return everything remembered between steps apart from the parameters."""

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`tensors` returned."""


class TorchStep:
    """Forward, loss, backward, clip and step through torch's autograd and optimizers."""

    backend: StepBackend = "torch"

    def __init__(self, classifier: Classifier, objective: Objective, settings: TrainingSettings) -> None:
        self._classifier = classifier
        self._objective = objective
        self._clip_norm = settings.clip_norm
        self._named = [(name, p) for name, p in classifier.named_parameters() if p.requires_grad]
        self._parameters = [parameter for _, parameter in self._named]
        self._optimizer = build_optimizer(self._parameters, settings)
        self._lazy_table = dict(self._named).get("input.weight") if settings.lazy_embedding else None

    def run(self, corpus: EncodedCorpus, rows: Rows, *, learning_rate: float, step: int) -> StepOutcome:
        """Take one step; a loss that is not finite leaves the weights as they were.

        Raises
        ------
        ValueError
            If the texts carry no labels.
        """
        batches = self._batches(corpus, rows, step)
        table = self._table_of(batches[-1])
        if table is None:
            outcome = self._differentiate(corpus, rows, batches, step)
        else:
            with table.in_place(self._classifier):
                outcome = self._differentiate(corpus, rows, [table.renumbered(batch) for batch in batches], step)
        if np.isfinite(outcome.loss):
            self._update(table, learning_rate, step)
        return outcome

    def _batches(self, corpus: EncodedCorpus, rows: Rows, step: int) -> list[PackedBatch]:
        """Return the labelled texts and, behind them, whatever else the step reads; the last holds all of it."""
        return [PackedBatch.from_arrays(collate(corpus, rows))]

    def _table_of(self, batch: PackedBatch) -> BatchTable | None:
        """Return the rows to read and to update; None: all, or ids beyond the table, which the classifier refuses."""
        if self._lazy_table is None:
            return None
        rows = touched_rows(batch)
        known = not rows.shape[0] or int(rows[-1]) < self._lazy_table.shape[0]
        return BatchTable(self._lazy_table, rows) if known else None

    def _differentiate(
        self, corpus: EncodedCorpus, rows: Rows, batches: Sequence[PackedBatch], step: int
    ) -> StepOutcome:
        """Compute the gradients, unless the loss is not finite."""
        outcome, loss = self._loss(corpus, rows, batches, step)
        if np.isfinite(outcome.loss):
            for parameter in self._parameters:
                parameter.grad = None
            torch.autograd.backward(loss)
        return outcome

    def _loss(
        self, corpus: EncodedCorpus, rows: Rows, batches: Sequence[PackedBatch], step: int
    ) -> tuple[StepOutcome, Tensor]:
        """Return what is told of the step, and what to minimise ()."""
        class_ids, targets, weights = labels_of(corpus, rows)
        logits: Tensor = self._classifier(batches[0])
        loss = self._objective(logits, targets, weights)
        return StepOutcome(loss.item(), count_correct(logits.detach().numpy(), class_ids)), loss

    def run_for(
        self, seconds: float, corpus: EncodedCorpus, batches: list[Rows], *, learning_rates: list[float], step: int
    ) -> list[StepOutcome]:
        """Take one step, on the first batch: next to it the caller's share in the time is nothing."""
        return [self.run(corpus, batches[0], learning_rate=learning_rates[0], step=step)]

    def _update(self, table: BatchTable | None, learning_rate: float, step: int) -> None:
        """Clip the gradients and take the step; of a table in parts, only the rows that have a part in it."""
        if table is None or self._lazy_table is None:
            self._clip(self._parameters)
            take_step(self._optimizer, learning_rate=learning_rate, step=step)
            return
        self._clip([table.parameter if p is self._lazy_table else p for p in self._parameters])
        take_lazy_step(
            self._optimizer,
            table=self._lazy_table,
            rows=table.rows,
            gradient=table.parameter.grad,
            learning_rate=learning_rate,
            step=step,
        )

    def _clip(self, parameters: list[Parameter]) -> None:
        if self._clip_norm is not None:
            clip_gradients(parameters, self._clip_norm)

    def tensors(self) -> dict[str, Tensor]:
        """Return the optimizer's tensors by parameter name."""
        return optimizer_tensors(self._optimizer, self._named)

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back the optimizer's tensors."""
        load_optimizer_tensors(self._optimizer, self._named, tensors)


def labels_of(corpus: EncodedCorpus, rows: Rows) -> tuple[ClassIds, Tensor, Tensor | None]:
    """Return the class ids of some texts, the same as targets, and their weights.

    Raises
    ------
    ValueError
        If the texts carry no labels.
    """
    if corpus.class_ids is None:
        raise ValueError("the texts to train on have no labels")
    class_ids = corpus.class_ids[rows]
    weights = None if corpus.sample_weights is None else torch.from_numpy(corpus.sample_weights[rows])
    return class_ids, targets_tensor(class_ids), weights
