"""A step of several workers on one batch: each differentiates its part, gradients are summed, all update alike.

The gradient is that of one process with the same batch, but not to the bit: each worker sums the terms of its own texts
and the parts are added afterwards, so that floating-point sums are taken in another order.
"""

import time
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from sulsul.batching import BatchPart, EncodedCorpus, part_of_batch
from sulsul.training.separable_step import N_SPARE, SeparableStep
from sulsul.training.settings import TrainingSettings
from sulsul.training.step import Rows, StepBackend, StepOutcome
from sulsul.training.workers import Workers

_TABLE = "input.weight"


class ParallelStep:
    """Takes the same steps on every worker.

    A step sends one message: the gradients, and behind them the loss, the number of right answers and whether a worker
    was asked to stop. With ``lazy_embedding`` it holds the touched rows of the table alone, and a message of one byte
    per row of the table before it says which these are.

    Parameters
    ----------
    step
        What computes gradients and updates.
    workers
        Who takes part.
    settings
        For ``lazy_embedding``.
    """

    def __init__(self, step: SeparableStep, workers: Workers, settings: TrainingSettings) -> None:
        self.backend: StepBackend = step.backend
        self._step = step
        self._workers = workers
        self._is_lazy = settings.lazy_embedding and _TABLE in step.own.views

    def run(self, corpus: EncodedCorpus, rows: Rows, *, learning_rate: float, step: int) -> StepOutcome:
        """Take one step; a loss that is not finite leaves the weights of all workers as they were.

        Raises
        ------
        WorkerLostError
            If a worker was lost.
        """
        part = part_of_batch(corpus.offsets, rows, self._workers.number, self._workers.n_workers)
        outcome = self._step.differentiate(corpus, part, step=step)
        has_gradient = len(part.rows) > 0 and bool(np.isfinite(outcome.loss))
        tail = [outcome.loss * part.share, float(outcome.n_correct), float(self._workers.stop_wanted())]
        if self._is_lazy:
            touched, sums = self._sum_touched(part, tail, has_gradient=has_gradient)
        else:
            touched, sums = None, self._sum_all(part, tail, has_gradient=has_gradient)
        loss, n_correct, n_stopping = sums
        self._workers.stopping = n_stopping > 0
        if np.isfinite(loss):
            self._step.update(learning_rate=learning_rate, step=step, rows=touched)
        if touched is not None:  # the norm of the next gradient must not see them
            self._step.summed.views[_TABLE][touched] = 0.0
        return StepOutcome(loss, round(n_correct))

    def run_for(
        self, seconds: float, corpus: EncodedCorpus, batches: list[Rows], *, learning_rates: list[float], step: int
    ) -> list[StepOutcome]:
        """Take steps until ``seconds`` are over, a loss is not finite, or the workers stop.

        The workers' clocks may differ, which does no harm: each takes the same steps, whatever it does in between.
        """
        end = time.perf_counter() + seconds
        outcomes: list[StepOutcome] = []
        for rows, learning_rate in zip(batches, learning_rates, strict=True):
            outcomes.append(self.run(corpus, rows, learning_rate=learning_rate, step=step + len(outcomes)))
            if not np.isfinite(outcomes[-1].loss) or self._workers.stopping or time.perf_counter() >= end:
                break
        return outcomes

    def tensors(self) -> dict[str, Tensor]:
        """Return the optimizer's tensors; every worker has the same."""
        return self._step.tensors()

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back the optimizer's tensors."""
        self._step.load_tensors(tensors)

    def _sum_all(self, part: BatchPart, tail: list[float], *, has_gradient: bool) -> list[float]:
        """Sum the gradients of all parameters; return the sums of ``tail``."""
        own, message = self._step.own.flat, self._step.summed.memory
        message[: len(own)] = own * part.share if has_gradient else 0.0
        message[len(own) :] = torch.tensor(tail, dtype=message.dtype)
        self._workers.sum(message)
        sums: list[float] = message[len(own) :].tolist()
        return sums

    def _sum_touched(self, part: BatchPart, tail: list[float], *, has_gradient: bool) -> tuple[Tensor, list[float]]:
        """Sum the gradients of all parameters but of the table's touched rows only; return these rows too."""
        own, summed = self._step.own, self._step.summed
        table = own.views[_TABLE]
        rows = self._touched_by_any(table.shape[0], has_gradient=has_gradient)
        first = table.storage_offset()
        after = first + table.numel()
        others = [own.flat[:first], own.flat[after:]]
        pieces = [*others, table.index_select(0, rows).view(-1)]
        message = torch.cat([*pieces, torch.tensor(tail, dtype=own.flat.dtype)])
        message[:-N_SPARE] = message[:-N_SPARE] * part.share if has_gradient else 0.0
        self._workers.sum(message)
        n_before, n_after = len(others[0]), len(others[1])
        summed.flat[:first] = message[:n_before]
        summed.flat[after:] = message[n_before : n_before + n_after]
        summed.views[_TABLE][rows] = message[n_before + n_after : -N_SPARE].view(len(rows), -1)
        sums: list[float] = message[-N_SPARE:].tolist()
        return rows, sums

    def _touched_by_any(self, n_rows: int, *, has_gradient: bool) -> Tensor:
        marks = torch.zeros(n_rows, dtype=torch.uint8)
        if has_gradient:
            marks[self._step.touched_rows()] = 1
        self._workers.maximum(marks)
        return marks.nonzero().view(-1)
