"""Ctrl-C and SIGTERM as a request to stop at the next batch."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self


class StopOnSignal:
    """Turns the first SIGINT or SIGTERM into a stop request; a second one interrupts at once.

    A context manager for the main thread; the object is what ``train_classifier(stop_requested=…)`` asks. On leaving,
    the handlers there were before are back.

    Parameters
    ----------
    on_first
        Called, within the signal's handler, when the first signal comes.

    Examples
    --------
    >>> with StopOnSignal() as stop:
    ...     stop()
    False
    """

    _SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, on_first: Callable[[], object] = lambda: None) -> None:
        self._on_first = on_first
        self._received: signal.Signals | None = None
        self._previous: dict[signal.Signals, signal._HANDLER] = {}

    def __call__(self) -> bool:
        """Return whether a signal has come."""
        return self._received is not None

    @property
    def received(self) -> signal.Signals | None:
        """The signal that came first, if any."""
        return self._received

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._handle) for number in self._SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            raise KeyboardInterrupt
        self._received = signal.Signals(number)
        self._on_first()
