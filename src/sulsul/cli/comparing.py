"""How a comparison is going, on the terminal."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sulsul.training.progress import TrainingProgress

if TYPE_CHECKING:
    from rich.console import Console

    from sulsul.comparison import Trial
    from sulsul.training.run import BatchReport


class ComparisonProgress:
    """Prints two lines per training and, on a terminal, a live bar while it goes on.

    A context manager; its methods are what a comparison's listener calls. The estimate supposes that the trainings to
    come take as long as the networks trained in this session did on average.
    """

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._bar: TrainingProgress | None = None
        self._started_s = 0.0
        self._network_seconds: list[float] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def on_start(self, label: str, n_left: int) -> None:
        """Name what is trained now, and how much is left with it."""
        self._console.print(f"{label} · {n_left} to go{self._estimate(n_left)}", highlight=False, soft_wrap=True)
        self._started_s = time.monotonic()
        self._bar = TrainingProgress(self._console)
        self._bar.__enter__()

    def on_member(self, member: int, n_members: int) -> None:
        """Name the network of an ensemble that is trained now."""
        if self._bar is not None:
            self._bar.on_member(member, n_members)

    def on_batch(self, report: "BatchReport") -> None:
        """Redraw the live line."""
        if self._bar is not None:
            self._bar.on_batch(report)

    def on_trial(self, label: str, trial: "Trial") -> None:
        """Say how the training ended; scores on the judged texts are not shown before all contenders have theirs."""
        self._close()
        parts = []
        if trial.epochs is not None:
            self._network_seconds.append(time.monotonic() - self._started_s)
            parts.append(f"{trial.epochs} epochs, epoch {trial.kept_epoch} kept")
        if trial.validation_accuracy is not None:
            parts.append(f"validation accuracy {trial.validation_accuracy:.3f}")
        self._console.print("  " + ", ".join([*parts, f"{trial.seconds:.1f} s"]), highlight=False, soft_wrap=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None

    def _estimate(self, n_left: int) -> str:
        if not self._network_seconds:
            return ""
        left_s = round(sum(self._network_seconds) / len(self._network_seconds) * n_left)
        return f" · about {left_s // 3600}:{left_s // 60 % 60:02}:{left_s % 60:02} left"
