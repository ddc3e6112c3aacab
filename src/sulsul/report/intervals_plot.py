"""Scores as dots with their intervals: what differs and what does not, at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sulsul.evaluation.intervals import Interval
from sulsul.report.record import RunRecord
from sulsul.report.svg import Drawing, Scale, nice_ticks, shortened

_WIDTH = 360.0
_LEFT, _RIGHT, _TOP, _ROW, _BOTTOM = 12.0, 16.0, 26.0, 36.0, 44.0
_FIGURES = 76.0


@dataclass(frozen=True)
class Contender:
    """One line of the plot."""

    name: str
    kind: Literal["model", "control", "baseline"]
    score: float
    interval: Interval


def contenders(record: RunRecord) -> list[Contender]:
    """Collect what a record compares by accuracy, the best first."""
    found: list[Contender] = []
    if record.comparison is not None:
        found = [Contender(row.name, row.kind, row.accuracy, row.accuracy_interval) for row in record.comparison.rows]
    elif record.headline is not None:
        name = record.model.name if record.model else "this model"
        found = [Contender(name, "model", record.headline.accuracy, record.headline.accuracy_interval)]
        found += [Contender(b.title, "baseline", b.accuracy, b.accuracy_interval) for b in record.baselines]
    return sorted(found, key=lambda contender: -contender.score)


def intervals_plot(rows: Sequence[Contender]) -> Drawing:
    """Draw accuracy with its 95 % interval, one row per contender; the band is the interval of the best model."""
    height = _TOP + _ROW * len(rows) + _BOTTOM
    drawing = Drawing(_WIDTH, height, "Accuracy with 95 % intervals", "; ".join(map(_in_words, rows)) + ".")
    drawing.text(_LEFT, 14, "Accuracy, 95 % intervals", style="plot-heading")
    low = min(row.interval[0] for row in rows)
    high = max(row.interval[1] for row in rows)
    margin = 0.04 * (high - low) or 0.01
    x = Scale(max(0.0, low - margin), min(1.0, high + margin), _LEFT, _WIDTH - _RIGHT)
    bottom = _TOP + _ROW * len(rows) + 2
    best = next((row for row in rows if row.kind == "model"), None)
    if best is not None:
        left, right = x(best.interval[0]), x(best.interval[1])
        drawing.rectangle(left, _TOP, right - left, bottom - _TOP, "plot-band")
    ticks = nice_ticks(x.low, x.high, 5)
    drawing.x_axis(x, bottom, ticks, [f"{tick:g}" for tick in ticks], "accuracy")
    for index, row in enumerate(rows):
        _row(drawing, x, _TOP + _ROW * index, row)
    return drawing


def _row(drawing: Drawing, x: Scale, top: float, row: Contender) -> None:
    centre = top + 25
    low, high = row.interval
    style = "plot-name plot-strong" if row.kind == "model" else "plot-name"
    drawing.text(_LEFT, top + 14, shortened(row.name, _WIDTH - _LEFT - _RIGHT - _FIGURES), style=style)
    drawing.text(_WIDTH - _RIGHT, top + 14, f"{row.score:.3f}", style=style, anchor="end")
    drawing.line(x(low), centre, x(high), centre, f"plot-interval plot-interval-{row.kind}")
    drawing.dot(x(row.score), centre, 4.5, f"plot-{row.kind}-dot", _in_words(row))


def _in_words(row: Contender) -> str:
    return f"{row.name}: {row.score:.3f} ({row.interval[0]:.3f}–{row.interval[1]:.3f})"
