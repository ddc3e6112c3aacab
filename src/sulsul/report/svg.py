"""A very small drawing surface: scales, axes and text as SVG that follows the page's colours and needs no font file.

Text stays text (searchable, and drawn by the reader's own Hangul font); colours are CSS variables, so one drawing
serves light and dark. Widths of text are only estimated, to space a legend.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import escape

# Characters that XML 1.0 forbids even as references.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TEMPLATES = Path(__file__).parent / "templates"
FONT_SIZE = 12.0


def clean(text: str) -> str:
    """Replace characters that no XML or HTML document may hold by U+FFFD."""
    return _FORBIDDEN.sub("\ufffd", text)


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """Estimate the width of a text in pixels: full width for Hangul, Kana, Han and emoji, 0.56 of it for others."""
    return size * sum(1.0 if ord(character) >= 0x1100 else 0.56 for character in text)


def shortened(text: str, width: float, size: float = FONT_SIZE) -> str:
    """Cut a text that is wider than ``width`` pixels and end it with an ellipsis."""
    if text_width(text, size) <= width:
        return text
    kept, used = [], text_width("…", size)
    for character in text:
        used += text_width(character, size)
        if used > width:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"


def nice_ticks(low: float, high: float, n: int = 5) -> list[float]:
    """Return about ``n`` round numbers (1, 2, 2.5 or 5 times a power of ten) from ``low`` to ``high``.

    Examples
    --------
    >>> nice_ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / n
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((factor * power for factor in (1, 2, 2.5, 5, 10)), key=lambda s: abs(math.log(s / rough)))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) + 0.0 for index in range(first, last + 1)]


@dataclass(frozen=True)
class Scale:
    """A linear map from data to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + share * (self.end - self.start)


@dataclass
class Drawing:
    """An SVG under construction; ``title`` and ``description`` are what a screen reader says."""

    width: float
    height: float
    title: str
    description: str = ""
    elements: list[str] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        """Draw a straight line of a CSS class."""
        self.elements.append(f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def polyline(self, points: Iterable[tuple[float, float]], style: str) -> None:
        """Draw a line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.elements.append(f'<polyline class="{style}" points="{path}"/>')

    def rectangle(self, x: float, y: float, width: float, height: float, style: str, tip: str = "") -> None:
        """Draw a rectangle; ``tip`` appears under the pointer."""
        shape = f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{height:.1f}"'
        self.elements.append(_with_tip(shape, "rect", tip))

    def dot(self, x: float, y: float, radius: float, style: str, tip: str = "") -> None:
        """Draw a filled circle; ``tip`` appears under the pointer."""
        self.elements.append(
            _with_tip(f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"', "circle", tip)
        )

    def text(self, x: float, y: float, text: str, *, style: str = "plot-text", anchor: str = "start") -> None:
        """Write a line of text; ``anchor`` is start, middle or end."""
        self.elements.append(
            f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(clean(text))}</text>'
        )

    def group(self, other: "Drawing", x: float, y: float) -> None:
        """Put another drawing into this one."""
        self.elements.append(f'<g transform="translate({x:.1f} {y:.1f})">{"".join(other.elements)}</g>')

    def legend(self, x: float, y: float, entries: Sequence[tuple[str, str]]) -> None:
        """Draw samples of line classes with their names in one row."""
        for style, name in entries:
            self.line(x, y - 4, x + 18, y - 4, style)
            self.text(x + 23, y, name)
            x += 23 + text_width(name) + 16

    def x_axis(self, scale: Scale, y: float, ticks: Sequence[float], labels: Sequence[str], name: str) -> None:
        """Draw a horizontal axis at ``y`` with its name below."""
        self.line(min(scale.start, scale.end), y, max(scale.start, scale.end), y, "plot-axis")
        for tick, label in zip(ticks, labels, strict=True):
            self.line(scale(tick), y, scale(tick), y + 4, "plot-axis")
            self.text(scale(tick), y + 17, label, anchor="middle")
        self.text((scale.start + scale.end) / 2, y + 34, name, anchor="middle", style="plot-name")

    def y_axis(self, scale: Scale, x1: float, x2: float, ticks: Sequence[float], labels: Sequence[str]) -> None:
        """Draw horizontal grid lines from ``x1`` to ``x2`` with their values at the left."""
        for tick, label in zip(ticks, labels, strict=True):
            self.line(x1, scale(tick), x2, scale(tick), "plot-grid")
            self.text(x1 - 7, scale(tick) + 4, label, anchor="end")

    def render(self, *, standalone: bool = False) -> str:
        """Return the SVG; a standalone one brings its own colours and fonts and fills its background."""
        title, description = escape(clean(self.title)), escape(clean(self.description))
        box = f'viewBox="0 0 {self.width:g} {self.height:g}"'
        inner = f"<title>{title}</title>" + (f"<desc>{description}</desc>" if description else "")
        if standalone:
            inner += f"<style>{stylesheet('colours')}{stylesheet('plots')}</style>"
            inner += f'<rect class="plot-page" width="{self.width:g}" height="{self.height:g}"/>'
            opening = f'<svg xmlns="http://www.w3.org/2000/svg" {box} width="{self.width:g}" height="{self.height:g}"'
        else:
            opening = f"<svg {box}"
        body = "".join(self.elements)
        return f'{opening} role="img" class="plot" aria-label="{title}">{inner}{body}</svg>'


def stylesheet(name: str) -> str:
    """Return one of the style sheets that page and drawings share."""
    return (_TEMPLATES / f"{name}.css").read_text(encoding="utf-8")


def _with_tip(shape: str, tag: str, tip: str) -> str:
    return f"{shape}><title>{escape(clean(tip))}</title></{tag}>" if tip else f"{shape}/>"
