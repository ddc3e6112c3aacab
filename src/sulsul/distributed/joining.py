"""How a process finds the workers it trains with."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from torch.distributed.rendezvous import rendezvous

from sulsul.distributed.local_processes import HELPER_VARIABLE, local_helper, local_workers
from sulsul.errors import UsageError
from sulsul.training.workers import TIMEOUT, Workers, gloo_group


def join_workers(n_workers: int | None, arguments: Sequence[str]) -> AbstractContextManager[Workers | None]:
    """Return a context within which this process is one of several workers, or None where it is alone.

    Parameters
    ----------
    n_workers
        How many processes to train with, this one and those it starts; None: those that ``torchrun`` started, if any.
    arguments
        The command line after ``sulsul``, for the processes it starts.

    Raises
    ------
    UsageError
        If ``torchrun`` has started the workers already and ``n_workers`` is given too.
    TrainingError
        On entering, if a worker does not start; within, what they meet is told with the errors of training.
    """
    if HELPER_VARIABLE in os.environ:
        return local_helper()
    if {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys() and os.environ["WORLD_SIZE"] != "1":
        if n_workers is not None:
            raise UsageError("torchrun has started the workers already: leave --workers out.")
        return _started_by_torchrun()
    if n_workers is None or n_workers == 1:
        return nullcontext()
    return local_workers(n_workers, arguments)


@contextmanager
def _started_by_torchrun() -> Iterator[Workers]:
    store, number, n_workers = next(iter(rendezvous("env://", timeout=TIMEOUT)))
    yield Workers(gloo_group(store, number, n_workers))
