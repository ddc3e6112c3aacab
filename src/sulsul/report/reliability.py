"""Reliability diagram, which shows whether a confidence of 0.8 is right in 80 % of cases."""

from sulsul.evaluation.calibration import Calibration
from sulsul.evaluation.intervals import wilson_interval
from sulsul.report.svg import Drawing, Scale

_SIZE = 340.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 14.0, 24.0, 44.0


def reliability_plot(calibration: Calibration) -> Drawing:
    """Draw accuracy against confidence per bin, with Wilson intervals; a calibrated classifier lies on the diagonal.

    A dot's area grows with the number of texts in its bin.
    """
    drawing = Drawing(_SIZE, _SIZE, "Accuracy by confidence", f"Expected calibration error {calibration.ece:.3f}.")
    drawing.text(_LEFT - 34, 14, "Accuracy by confidence", style="plot-heading")
    x = Scale(0, 1, _LEFT, _SIZE - _RIGHT)
    y = Scale(0, 1, _SIZE - _BOTTOM, _TOP + 6)
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    labels = ["0", "0.25", "0.5", "0.75", "1"]
    drawing.y_axis(y, x.start, x.end, ticks, labels)
    drawing.x_axis(x, y.start, ticks, labels, "confidence")
    drawing.line(x(0), y(0), x(1), y(1), "plot-reference")
    filled = [b for b in calibration.bins if b.n]
    largest = max((b.n for b in filled), default=1)
    for b in filled:
        if b.confidence is None or b.accuracy is None:
            continue
        low, high = wilson_interval(round(b.accuracy * b.n), b.n)
        at = x(b.confidence)
        drawing.line(at, y(low), at, y(high), "plot-whisker")
        radius = 2.5 + 4.5 * (b.n / largest) ** 0.5
        tip = f"confidence {b.confidence:.2f}, accuracy {b.accuracy:.2f}, {b.n:,} cases"
        drawing.dot(at, y(b.accuracy), radius, "plot-model-dot", tip)
    return drawing
