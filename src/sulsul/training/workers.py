"""The processes that train one network together, and what they tell each other."""

import struct
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.distributed as dist
from torch import Tensor

from sulsul.errors import TrainingError, WorkerLostError
from sulsul.files import write_atomically
from sulsul.model.classifier import Classifier

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

TIMEOUT = timedelta(hours=2)
"""How long the others wait for one that computes alone, such as the first worker fitting a linear part.

A worker that ends is noticed at once, whatever this is.
"""


class Workers:
    """One worker among those that train together.

    Every worker must call the same methods in the same order.

    Parameters
    ----------
    group
        Connects them; see :func:`gloo_group`.

    Attributes
    ----------
    number
        Of this worker, from 0. The first one alone writes files.
    n_workers
        How many there are.
    stop_wanted
        Asked before each step whether this worker was told to stop.
    stopping
        Whether any worker was, as of the last step: the same on all of them.
    """

    def __init__(self, group: dist.ProcessGroup) -> None:
        self._group = group
        self.number = group.rank()
        self.n_workers = group.size()
        self.stop_wanted: Callable[[], bool] = lambda: False
        self.stopping = False

    @property
    def is_first(self) -> bool:
        """Whether this worker writes the files."""
        return self.number == 0

    def sum(self, tensor: Tensor) -> None:
        """Replace a tensor by the sum over all workers, the same to the bit on each.

        Raises
        ------
        WorkerLostError
            If one is gone; so do all methods here.
        """
        _tell(lambda: self._group.allreduce([tensor]))

    def maximum(self, tensor: Tensor) -> None:
        """Replace a tensor by the maximum over all workers."""
        _tell(lambda: self._group.allreduce([tensor], dist.ReduceOp.MAX))

    def from_first(self, tensor: Tensor) -> None:
        """Replace a tensor by the first worker's."""
        _tell(lambda: self._group.broadcast(tensor, 0))

    def bytes_from_first(self, content: bytes | None) -> bytes | None:
        """Return the first worker's bytes; None if it has none. The others give None."""
        n = torch.tensor([-1 if content is None else len(content)])
        self.from_first(n)
        if int(n) < 0:
            return None
        carrier = torch.zeros(int(n), dtype=torch.uint8)
        if content:
            carrier = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        if int(n):
            self.from_first(carrier)
        return carrier.numpy().tobytes()

    def files_from_first(self, folder: Path, names: list[str]) -> None:
        """Write the first worker's files of these names into every other worker's folder; a missing one is none."""
        for name in names:
            path = folder / name
            content = path.read_bytes() if self.is_first and path.exists() else None
            content = self.bytes_from_first(content)
            if content is not None and not self.is_first:
                write_atomically(path, content)

    def check_same(self, what: str, content: bytes) -> None:
        """Refuse to go on if workers have different bytes.

        Raises
        ------
        TrainingError
            Naming ``what`` differs, and on which worker.
        """
        digests = torch.zeros(self.n_workers, dtype=torch.int64)
        digests[self.number] = zlib.crc32(content)
        self.sum(digests)
        differing = (digests != digests[0]).nonzero().view(-1).tolist()
        if differing:
            raise TrainingError(
                f"worker {differing[0]} has not the same {what} as worker 0: give all workers the same data, settings "
                "and versions, and processors with the same instruction set (or set SULSUL_ISA on all)."
            )

    def check_same_weights(self, classifier: Classifier) -> None:
        """Refuse to go on if the workers' networks have drifted apart.

        Raises
        ------
        TrainingError
            If they have.
        """
        checksums = [zlib.crc32(tensor.detach().numpy().tobytes()) for tensor in classifier.state_dict().values()]
        self.check_same("weights", struct.pack(f"{len(checksums)}I", *checksums))


def gloo_group(store: "Store", number: int, n_workers: int) -> dist.ProcessGroup:
    """Connect a worker with the others through a store that all reach.

    Raises
    ------
    TrainingError
        If they cannot be reached.
    """
    try:
        own_store = dist.PrefixStore("sulsul", store)  # type: ignore[attr-defined]
        group: Any = dist.ProcessGroupGloo(own_store, number, n_workers, TIMEOUT)
    except RuntimeError as error:
        raise TrainingError(f"worker {number} cannot reach the others: {_first_line(error)}") from error
    return cast("dist.ProcessGroup", group)


def _first_line(error: RuntimeError) -> str:
    return str(error).strip().splitlines()[0]


def _tell(call: Callable[[], dist.Work]) -> None:
    try:
        call().wait()
    except RuntimeError as error:
        raise WorkerLostError(
            f"a worker was lost ({_first_line(error)}); the last checkpoint stands: repeat the command with --resume."
        ) from error
