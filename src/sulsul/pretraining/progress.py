"""How a pretraining is going: a live line on a terminal, and a line for every look at the held-out texts."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from sulsul.pretraining.history import Look
from sulsul.pretraining.ngram_learning import NgramReport
from sulsul.pretraining.pretrain import PretrainingListener, PretrainingPlan
from sulsul.pretraining.run import StepReport
from sulsul.pretraining.texts import PretrainingTexts

_REDRAW_INTERVAL_S = 0.1
_FEW_TOKENS = 500_000
"""Measured: what 142,000 tokens teach made a classifier worse."""


class PretrainingProgress:
    """Prints what is read, a line per look and, on a terminal, a live bar.

    A context manager; :meth:`listener` is what :func:`sulsul.pretraining.pretrain` takes.

    Parameters
    ----------
    console
        Where to print; None: standard error.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._latest: StepReport | None = None
        self._drawn_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def listener(self, stop_requested: Callable[[], bool]) -> PretrainingListener:
        """Return a listener that shows everything here."""
        return PretrainingListener(
            self.on_texts,
            self.on_ngrams,
            self.on_plan,
            self.on_step,
            self.on_look,
            self.stop,
            stop_requested=stop_requested,
        )

    def stop(self) -> None:
        """Take the live line away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def on_texts(self, texts: PretrainingTexts) -> None:
        """Say which texts are read."""
        self._print(texts.described())

    def on_ngrams(self, report: NgramReport) -> None:
        """Redraw the live line of the n-gram vectors, and say how they ended."""
        figures = f"loss {report.loss:.3f} · {report.ngrams_per_s:,.0f} n-grams/s"
        if report.share < 1.0:
            self._redraw(report.share, f"n-gram vectors · epoch {report.epoch}/{report.n_epochs}", figures)
            return
        self.stop()
        self._print(f"n-gram vectors · {report.epoch} of {report.n_epochs} epochs · {figures}")

    def on_plan(self, plan: PretrainingPlan) -> None:
        """Say how much there is to learn."""
        self._print(
            f"{plan.n_train_tokens:,} tokens in {plan.n_segments:,} segments, {plan.n_held_out_tokens:,} held out; "
            f"table of {plan.vocabulary_size:,} rows; {plan.n_predicted_words:,} words are predicted "
            f"({plan.predicted_share:.1%} of the tokens)"
        )
        if plan.n_train_tokens < _FEW_TOKENS:
            self._print(
                f"these are few texts: with fewer than {_FEW_TOKENS:,} tokens pretraining can make a classifier worse; "
                "compare with training from scratch (docs/pretraining.md)"
            )

    def on_step(self, report: StepReport) -> None:
        """Redraw the live line."""
        self._latest = report
        self._redraw(
            report.step / report.n_steps,
            f"epoch {report.epoch} · step {report.step:,}/{report.n_steps:,}",
            f"sampled loss {report.loss:.3f} · {report.tokens_per_s:,.0f} tokens/s",
        )

    def on_look(self, look: Look) -> None:
        """Print the line of a look."""
        assert self._latest is not None
        done = f"epoch {look.epoch} · step {look.step:,}/{self._latest.n_steps:,}"
        losses = f"sampled loss {look.loss:.3f} · held-out loss {look.held_out_loss:.3f}"
        pace = f"{self._latest.tokens_per_s:,.0f} tokens/s · {look.seconds:,.0f} s"
        self._print(f"{done} · {losses} (perplexity {look.perplexity:,.0f}) · {pace}")

    def _redraw(self, share: float, description: str, figures: str) -> None:
        """Redraw the live line, at most ten times a second."""
        now = time.monotonic()
        if not self._console.is_terminal or now - self._drawn_s < _REDRAW_INTERVAL_S:
            return
        self._drawn_s = now
        if self._bar is None:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
            self._bar = Progress(*columns, console=self._console, transient=True, auto_refresh=False)
            self._task = self._bar.add_task("", total=1.0, figures="")
            self._bar.start()
        assert self._task is not None
        self._bar.update(self._task, completed=share, description=description, figures=figures)
        self._bar.refresh()

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True, markup=False)
