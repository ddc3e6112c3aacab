"""How long texts are, how much of them is cut, and the histogram that shows it."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sulsul.report.record import LengthSummary
from sulsul.report.svg import Drawing, Scale, nice_ticks

_WIDTH, _HEIGHT = 360.0, 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 14.0, 40.0, 44.0
_BINS = 24


def summarise_lengths(lengths: ArrayLike, *, max_length: int | None = None, pad_to: int | None = None) -> LengthSummary:
    """Summarise the lengths of texts in tokens, before anything is cut.

    Parameters
    ----------
    lengths
        Shape (B,), at least one text; 0 is legal.
    max_length
        Longest sequence kept; None cuts nothing.
    pad_to
        Length up to which PAD tokens are written, where they are.

    Raises
    ------
    ValueError
        If there are no lengths.
    """
    values = np.asarray(lengths, dtype=np.int64)
    if not values.size:
        raise ValueError("lengths of no texts cannot be summarised")
    edges = _edges(values, max_length)
    counts = np.histogram(np.minimum(values, edges[-1] - 1), bins=edges)[0]
    kept = values if max_length is None else np.minimum(values, max_length)
    total = int(values.sum())
    return LengthSummary(
        n=values.size,
        mean=float(values.mean()),
        longest=int(values.max()),
        percentiles={str(p): int(np.percentile(values, p, method="inverted_cdf")) for p in (5, 25, 50, 75, 95, 99)},
        edges=tuple(int(edge) for edge in edges),
        counts=tuple(int(count) for count in counts),
        max_length=max_length,
        truncated_texts=float((kept < values).mean()),
        truncated_tokens=1.0 - int(kept.sum()) / total if total else 0.0,
        padding=None if pad_to is None else 1.0 - float(np.minimum(kept, pad_to).mean()) / pad_to,
    )


def lengths_plot(summary: LengthSummary) -> Drawing:
    """Draw the histogram of lengths with a line where texts are cut; the last bar holds all longer texts."""
    edges, counts = summary.edges, summary.counts
    drawing = Drawing(_WIDTH, _HEIGHT, "Length of texts", _in_words(summary))
    drawing.text(_LEFT - 34, 14, "Length of texts", style="plot-heading")
    x = Scale(edges[0], edges[-1], _LEFT, _WIDTH - _RIGHT)
    y = Scale(0, max(counts) * 1.05, _HEIGHT - _BOTTOM, _TOP + 6)
    ticks = [tick for tick in nice_ticks(0, y.high, 4) if tick == int(tick)]
    drawing.y_axis(y, x.start, x.end, ticks, [f"{int(tick):,}" for tick in ticks])
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        last = high == edges[-1] and summary.longest >= high
        words = (
            f"{low} tokens or more" if last else f"{low} to {high - 1} tokens" if high - low > 1 else f"{low} tokens"
        )
        cut = summary.max_length is not None and low >= summary.max_length
        style = "plot-bar plot-bar-cut" if cut else "plot-bar"
        drawing.rectangle(
            x(low) + 0.5, y(count), x(high) - x(low) - 1, y.start - y(count), style, f"{words}: {count:,} texts"
        )
    _axis(drawing, x, y, summary)
    if summary.max_length is not None:
        _cut_line(drawing, x, y, summary.max_length, summary.truncated_texts)
    return drawing


def lengths_svg(summary: LengthSummary, *, title: str) -> str:
    """Return the histogram as one standalone SVG file."""
    page = Drawing(_WIDTH + 20, _HEIGHT + 36, title, _in_words(summary))
    page.text(12, 22, title, style="plot-title")
    page.group(lengths_plot(summary), 0, 32)
    return page.render(standalone=True)


def _edges(values: NDArray[np.int64], max_length: int | None) -> NDArray[np.int64]:
    """Return bin edges of a round width up to the 99th percentile and past the truncation line."""
    top = max(int(np.percentile(values, 99)), 1)
    if max_length is not None and max_length <= values.max():
        top = max(top, min(max_length + max_length // 8 + 1, int(values.max())))
    rough = max(1.0, (top + 1) / _BINS)
    power = 10 ** int(np.floor(np.log10(rough)))
    width = max(1, next(step * power for step in (1, 2, 5, 10) if step * power >= rough))
    n_bins = max(2, -(-(top + 1) // width))
    n_bins += int(values.max() >= n_bins * width)  # one bar for all longer texts, apart from the others
    return np.arange(0, (n_bins + 1) * width, width, dtype=np.int64)


def _axis(drawing: Drawing, x: Scale, y: Scale, summary: LengthSummary) -> None:
    ticks = [tick for tick in nice_ticks(x.low, x.high, 6) if tick == int(tick)]
    labels = [f"{int(tick):,}" for tick in ticks]
    if summary.longest >= x.high and ticks[-1] == x.high:
        labels[-1] += "+"
    drawing.x_axis(x, y.start, ticks, labels, "tokens")


def _cut_line(drawing: Drawing, x: Scale, y: Scale, max_length: int, share: float) -> None:
    """Mark where texts are cut; a limit beyond the axis is only written down."""
    drawing.legend(_LEFT, 33, [("plot-cut", f"cut at {max_length:,}: {share:.1%} of texts".replace("%", " %"))])
    if max_length <= x.high:
        drawing.line(x(max_length), y.start, x(max_length), y.end - 4, "plot-cut")


def _in_words(summary: LengthSummary) -> str:
    words = f"{summary.n:,} texts, median {summary.percentiles['50']}, longest {summary.longest:,} tokens"
    if summary.max_length is None:
        return f"{words}; nothing is cut."
    return f"{words}; {summary.truncated_texts:.1%} are cut at {summary.max_length:,}."
