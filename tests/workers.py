"""Several workers as threads of one process: they talk through gloo as processes do, and start at once."""

import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch.distributed as dist

from sulsul.training.workers import Workers, gloo_group

Result = TypeVar("Result")


def run_workers(n_workers: int, work: Callable[[Workers], Result]) -> list[Result]:
    """Return what each worker returns; raises what the first of them raises."""
    store = dist.HashStore()

    def run(number: int) -> Result:
        try:
            return work(Workers(gloo_group(store, number, n_workers)))
        except BaseException as error:
            traceback.clear_frames(error.__traceback__)  # as when a process ends: its connections close
            raise

    with ThreadPoolExecutor(n_workers) as pool:
        return list(pool.map(run, range(n_workers)))
