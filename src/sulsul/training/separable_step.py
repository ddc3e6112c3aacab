"""A step in two halves, between which gradients can be summed over workers."""

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sulsul.batching import BatchPart, EncodedCorpus, collate
from sulsul.kernels.network import BLOCK, WholeBatch
from sulsul.model.classifier import Classifier
from sulsul.model.packed_batch import PackedBatch
from sulsul.training.batch_table import BatchTable, touched_rows
from sulsul.training.flat_parameters import FlatArray
from sulsul.training.native_step import NativeStep
from sulsul.training.objective import Objective
from sulsul.training.settings import TrainingSettings
from sulsul.training.step import StepOutcome, StepRunner, TorchStep

N_SPARE = 3
"""Numbers that travel with the gradients: the loss, the right answers, and a wish to stop."""
_TABLE = "input.weight"

NO_TEXTS = StepOutcome(0.0, 0)


class SeparableStep(StepRunner, Protocol):
    """Gradients first, the update from their sum afterwards.

    Attributes
    ----------
    own
        Gradients of the mean loss of this worker's part of a batch.
    summed
        Of the whole batch, which :meth:`update` reads.
    """

    own: FlatArray
    summed: FlatArray

    def differentiate(self, corpus: EncodedCorpus, part: BatchPart, *, step: int) -> StepOutcome:
        """Write ``own``, unless the loss is not finite or the part has no text; its loss is then 0."""

    def touched_rows(self) -> Tensor:
        """Return the rows of the embedding that the last part reads, rising, shape (n,), int64."""

    def update(self, *, learning_rate: float, step: int, rows: Tensor | None) -> None:
        """Clip ``summed`` and take a step with it; of the embedding only ``rows``, where they are given."""


class SeparableNativeStep(NativeStep):
    """:class:`NativeStep` in two halves. Its dropout masks do not depend on how a batch is cut into parts."""

    def __init__(
        self, classifier: Classifier, settings: TrainingSettings, class_weights: npt.NDArray[np.float32] | None = None
    ) -> None:
        super().__init__(classifier, settings, class_weights)
        self.own = self._gradients
        # An array of its own: the network clears only what it has written itself.
        trainable = [(name, p) for name, p in classifier.named_parameters() if p.requires_grad]
        self.summed = FlatArray(trainable, BLOCK, n_spare=N_SPARE)
        self._set_optimizer(settings, self.summed)

    def differentiate(self, corpus: EncodedCorpus, part: BatchPart, *, step: int) -> StepOutcome:
        """Compute loss and gradients of a part; see :class:`SeparableStep`."""
        self._check_bound(corpus)
        if not len(part.rows):
            return NO_TEXTS
        whole = WholeBatch(part.places, part.offsets)
        return StepOutcome._make(self._network.differentiate(part.rows, seed=self._seed, step=step, whole=whole))

    def touched_rows(self) -> Tensor:
        """Return the rows of the embedding that the last part reads."""
        return torch.from_numpy(self._network.touched_rows())

    def update(self, *, learning_rate: float, step: int, rows: Tensor | None) -> None:
        """Take the step."""
        self._network.update(learning_rate=learning_rate, step=step, rows=None if rows is None else rows.numpy())
        self._n_steps = step + 1


class SeparableTorchStep(TorchStep):
    """:class:`TorchStep` in two halves. Dropout masks are a function of seed, step and the number of the part."""

    def __init__(self, classifier: Classifier, objective: Objective, settings: TrainingSettings) -> None:
        super().__init__(classifier, objective, settings)
        self._seed = settings.seed
        self._rows = torch.empty(0, dtype=torch.int64)
        self.own = FlatArray(self._named, BLOCK)
        self.summed = FlatArray(self._named, BLOCK, n_spare=N_SPARE)

    def differentiate(self, corpus: EncodedCorpus, part: BatchPart, *, step: int) -> StepOutcome:
        """Compute loss and gradients of a part; see :class:`SeparableStep`."""
        if not len(part.rows):
            return NO_TEXTS
        stream = np.random.SeedSequence([self._seed, step, part.number]).generate_state(1, np.uint64)[0]
        torch.default_generator.manual_seed(int(stream))
        batch = PackedBatch.from_arrays(collate(corpus, part.rows))
        outcome = self._differentiate(corpus, part.rows, [batch], step)
        for name, parameter in self._named:
            view = self.own.views[name]
            _ = view.zero_() if parameter.grad is None else view.copy_(parameter.grad)
        self._rows = touched_rows(batch)
        return outcome

    def touched_rows(self) -> Tensor:
        """Return the rows of the embedding that the last part reads."""
        return self._rows

    def update(self, *, learning_rate: float, step: int, rows: Tensor | None) -> None:
        """Take the step."""
        for name, parameter in self._named:
            parameter.grad = self.summed.views[name]
        table = None
        if rows is not None and self._lazy_table is not None:
            table = BatchTable(self._lazy_table, rows)
            table.parameter.grad = self.summed.views[_TABLE][rows]
        self._update(table, learning_rate, step)
        for parameter in self._parameters:
            parameter.grad = None
