"""Being connected to a Ray cluster."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from sulsul.errors import SulsulError, UsageError


@contextmanager
def ray_cluster(address: str) -> Iterator[ModuleType]:
    """Connect to a cluster and return the module ``ray``; an existing connection is used and kept.

    Parameters
    ----------
    address
        ``HOST:PORT``, ``auto`` for the cluster that this machine is part of, ``ray://…`` for one seen from outside, or
        ``local`` for one that is started on this machine and ends with the block.

    Raises
    ------
    UsageError
        If Ray is not installed.
    SulsulError
        If the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError:
        raise UsageError("--ray needs Ray: pip install 'sulsul[ray]'") from None
    if ray.is_initialized():
        yield ray
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody was asked
    started = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **started)
    except Exception as error:  # Ray raises it itself where a cluster does not start in time
        raise SulsulError(f"--ray {address}: {str(error).strip().splitlines()[0]}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def n_cpus(ray: ModuleType) -> int:
    """Return how many cores the cluster has, at least 1."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def first_line_of_cause(error: BaseException) -> str:
    """Return what went wrong in a task, without the traceback that Ray wraps it in."""
    cause = getattr(error, "cause", None) or error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__
