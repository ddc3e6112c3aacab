"""Worker processes on this machine: the first one starts the others with its own command line."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING

import torch
import torch.distributed as dist

from sulsul.errors import TrainingError, WorkerLostError
from sulsul.kernels import native
from sulsul.training.workers import TIMEOUT, Workers, gloo_group

if TYPE_CHECKING:
    from torch._C._distributed_c10d import TCPStore

HELPER_VARIABLE = "SULSUL_WORKER"
"""In the environment of a process that was started: ``number/n_workers@port``."""

_HOST = "127.0.0.1"
_POLL_INTERVAL_S = 0.02
_LAST_WORDS_S = 2.0
_FAREWELL_S = 10.0


@contextmanager
def local_workers(n_workers: int, arguments: Sequence[str]) -> Iterator[Workers]:
    """Start ``n_workers - 1`` processes that run ``sulsul`` with these arguments, and be the first worker.

    The cores are shared out evenly, unless ``OMP_NUM_THREADS`` or the settings of the training say otherwise. The
    processes end with this one, however it ends: their connection to it breaks.

    Raises
    ------
    TrainingError
        If a process ends before it has joined.
    WorkerLostError
        From within the block, with the last words of the process that is gone.
    """
    with ExitStack() as stack:
        stack.enter_context(_threads(max(1, len(os.sched_getaffinity(0)) // n_workers)))
        stack.enter_context(_on_loopback())
        store: TCPStore = dist.TCPStore(  # type: ignore[attr-defined]
            _HOST, 0, n_workers, is_master=True, wait_for_workers=False, timeout=TIMEOUT
        )
        helpers = stack.enter_context(_Helpers(n_workers, store.port, arguments))
        helpers.wait_until_ready(store)
        try:
            yield Workers(gloo_group(store, 0, n_workers))
            helpers.say_farewell()
        except WorkerLostError as error:
            raise WorkerLostError(f"{error}{helpers.last_words()}") from error


@contextmanager
def local_helper() -> Iterator[Workers]:
    """Join the process that started this one."""
    where, _, port = os.environ[HELPER_VARIABLE].partition("@")
    number, n_workers = map(int, where.split("/"))
    store: TCPStore = dist.TCPStore(  # type: ignore[attr-defined]
        _HOST, int(port), n_workers, is_master=False, timeout=TIMEOUT
    )
    store.set(_ready_key(number), "1")
    yield Workers(gloo_group(store, number, n_workers))


def _ready_key(number: int) -> str:
    return f"ready/{number}"


class _Helpers:
    """The processes that were started; a context manager that ends them."""

    def __init__(self, n_workers: int, port: int, arguments: Sequence[str]) -> None:
        self._n_workers = n_workers
        self._port = port
        self._arguments = arguments
        self._processes: list[subprocess.Popen[bytes]] = []
        self._errors: list[IO[bytes]] = []

    def __enter__(self) -> "_Helpers":
        for number in range(1, self._n_workers):
            errors = tempfile.TemporaryFile()
            self._errors.append(errors)
            self._processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "sulsul", *self._arguments],
                    env=os.environ | {HELPER_VARIABLE: f"{number}/{self._n_workers}@{self._port}"},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                )
            )
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._processes:
            process.terminate()
        for process, errors in zip(self._processes, self._errors, strict=True):
            try:
                process.wait(_FAREWELL_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            errors.close()

    def wait_until_ready(self, store: "TCPStore") -> None:
        """Wait for all to join; one that ends before is an error, not a wait without end."""
        for number, process in enumerate(self._processes, 1):
            while not store.check([_ready_key(number)]):
                if process.poll() is not None:
                    raise TrainingError(f"worker {number} ended before it had begun{self.last_words()}")
                time.sleep(_POLL_INTERVAL_S)

    def say_farewell(self) -> None:
        """Let the processes end by themselves."""
        end = time.monotonic() + _FAREWELL_S
        while any(process.poll() is None for process in self._processes) and time.monotonic() < end:
            time.sleep(_POLL_INTERVAL_S)

    def last_words(self) -> str:
        """Return what the first process that ended in error said, a moment after another noticed."""
        end = time.monotonic() + _LAST_WORDS_S
        while not any(process.poll() for process in self._processes) and time.monotonic() < end:
            time.sleep(_POLL_INTERVAL_S)
        for number, (process, errors) in enumerate(zip(self._processes, self._errors, strict=True), 1):
            if process.poll():
                errors.seek(0)
                lines = errors.read().decode(errors="replace").strip().splitlines()
                said = lines[-1] if lines else f"it ended with code {process.returncode}"
                return f" Worker {number} said: {said}"
        return ""


@contextmanager
def _threads(n_threads: int) -> Iterator[None]:
    """Compute with so many threads here and in processes that are started, if the environment says nothing else."""
    if "OMP_NUM_THREADS" in os.environ:
        yield
        return
    before = torch.get_num_threads(), native.thread_count()
    os.environ["OMP_NUM_THREADS"] = str(n_threads)
    torch.set_num_threads(n_threads)
    native.set_thread_count(n_threads)
    try:
        yield
    finally:
        del os.environ["OMP_NUM_THREADS"]
        torch.set_num_threads(before[0])
        native.set_thread_count(before[1])


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Let gloo talk over the loopback interface: nothing leaves the machine, and no host name must resolve."""
    name = "GLOO_SOCKET_IFNAME"
    if name in os.environ or not sys.platform.startswith("linux"):
        yield
        return
    os.environ[name] = "lo"
    try:
        yield
    finally:
        del os.environ[name]
