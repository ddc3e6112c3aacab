"""How training is going: a live line on a terminal, one output in Jupyter, plain lines where there is neither."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from sulsul.training.history import EpochRecord
from sulsul.training.notebook_output import NotebookOutput
from sulsul.training.run import BatchReport

_REDRAW_INTERVAL_S = 0.1


class TrainingProgress:
    """Prints a line per epoch and, on a terminal, a live bar with the time that is left at most.

    In Jupyter the lines are one output of the cell, redrawn as they grow; nothing need be installed for it.

    A context manager; pass :meth:`on_epoch` and :meth:`on_batch` to ``train_classifier``. The estimate supposes that
    all epochs run, at the pace of this session so far: early stopping can only shorten it.

    Parameters
    ----------
    console
        Where to print; None: standard error.

    Examples
    --------
    >>> import io
    >>> console = Console(file=io.StringIO(), width=120)
    >>> with TrainingProgress(console) as progress:
    ...     progress.on_batch(BatchReport(epoch=1, n_epochs=2, batch=5, n_batches=5, loss=0.7, accuracy=0.5))
    ...     progress.on_epoch(EpochRecord(epoch=1, loss=0.7, accuracy=0.5, learning_rate=1e-3, seconds=1.5))
    >>> print(console.file.getvalue(), end="")
    epoch 1/2 · loss 0.7000 · accuracy 0.500 · 1.5 s · at most 0:00:00 left
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._notebook = NotebookOutput() if self._console.is_jupyter else None
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._started_s = self._drawn_s = time.monotonic()
        self._first: BatchReport | None = None
        self._latest: BatchReport | None = None
        self._prefix, self._n_later_members = "", 0

    def __enter__(self) -> Self:
        self._started_s = time.monotonic()
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
            self._bar = Progress(*columns, console=self._console, transient=True, auto_refresh=False)
            self._task = self._bar.add_task("", total=1.0, figures="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._notebook is not None:
            self._notebook.finish()

    def on_member(self, member: int, n_members: int) -> None:
        """Begin with another member of an ensemble: its number from 0, and how many there are."""
        self._prefix, self._n_later_members = f"member {member + 1}/{n_members} · ", n_members - member - 1
        self._first = self._latest = None
        self._started_s = time.monotonic()

    def on_batch(self, report: BatchReport) -> None:
        """Redraw the live line, at most ten times a second."""
        now = time.monotonic()
        if self._first is None or self._latest is None:
            self._first = report
        elif (report.epoch, report.batch) <= (self._latest.epoch, self._latest.batch):
            # Another network has begun: the estimate of its pace must not reach back.
            self._first, self._started_s = report, now
        self._latest = report
        if now - self._drawn_s < _REDRAW_INTERVAL_S:
            return
        self._drawn_s = now
        description = f"{self._prefix}epoch {report.epoch}/{report.n_epochs}"
        figures = f"loss {report.loss:.4f} · accuracy {report.accuracy:.3f}{self._estimate()}"
        if self._notebook is not None:
            self._notebook.show_live(f"{description} · batch {report.batch}/{report.n_batches} · {figures}")
        elif self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=report.batch, total=report.n_batches)
            self._bar.update(self._task, description=description, figures=figures)
            self._bar.refresh()

    def on_epoch(self, record: EpochRecord) -> None:
        """Print the line of a finished epoch."""
        n_epochs = f"/{self._latest.n_epochs}" if self._latest else ""
        parts = [
            f"{self._prefix}epoch {record.epoch}{n_epochs}",
            f"loss {record.loss:.4f}",
            f"accuracy {record.accuracy:.3f}",
        ]
        if record.val_loss is not None:
            parts += [
                f"val. loss {record.val_loss:.4f}",
                f"accuracy {record.val_accuracy:.3f}",
                f"macro-F1 {record.val_macro_f1:.3f}",
            ]
        line = " · ".join([*parts, f"{record.seconds:.1f} s"]) + self._estimate()
        if self._notebook is not None:
            self._notebook.add_line(line)
        else:
            self._console.print(line, highlight=False, soft_wrap=True)

    def _estimate(self) -> str:
        """Return the time that is left if every epoch of every member runs, at the pace of this session."""
        if self._first is None or self._latest is None:
            return ""
        first, latest = self._first, self._latest
        n_done = (latest.epoch - first.epoch) * latest.n_batches + latest.batch - (first.batch - 1)
        n_epochs_left = latest.n_epochs * (1 + self._n_later_members) - latest.epoch
        n_left = n_epochs_left * latest.n_batches + latest.n_batches - latest.batch
        left_s = round((time.monotonic() - self._started_s) / n_done * n_left)
        return f" · at most {left_s // 3600}:{left_s // 60 % 60:02}:{left_s % 60:02} left"
