"""Lines that grow in one output of a Jupyter cell."""

import html
from typing import Any


class NotebookOutput:
    """Shows finished lines and one live line below them in a single output, redrawn in place.

    rich would add an output for each line, and its bars need ipywidgets.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._handle: Any = None

    def add_line(self, line: str) -> None:
        """Put a finished line in the place of the live one."""
        self._lines.append(line)
        self._draw(self._lines)

    def show_live(self, line: str) -> None:
        """Show a line until the next one."""
        self._draw([*self._lines, line])

    def finish(self) -> None:
        """Leave the finished lines alone."""
        if self._handle is not None:
            self._draw(self._lines)

    def _draw(self, lines: list[str]) -> None:
        from IPython.display import DisplayHandle  # there is a notebook, so there is IPython

        text = "\n".join(lines)
        data = {"text/plain": text, "text/html": f"<pre>{html.escape(text)}</pre>"}
        if self._handle is None:
            self._handle = DisplayHandle()  # type: ignore[no-untyped-call]
            self._handle.display(data, raw=True)
        else:
            self._handle.update(data, raw=True)
