"""Curves of loss and accuracy over the epochs of a run."""

from collections.abc import Sequence

from sulsul.report.record import EpochRow, TrainingSummary
from sulsul.report.svg import Drawing, Scale, nice_ticks

_WIDTH, _HEIGHT = 360.0, 250.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 12.0, 40.0, 44.0


def loss_curve(training: TrainingSummary) -> Drawing:
    """Draw training and validation loss, in nats, and the epoch whose weights were kept."""
    series: dict[str, list[float | None]] = {
        "training": [row.loss for row in training.history],
        "validation": [row.val_loss for row in training.history],
    }
    return _curve("Loss per epoch", "loss (nats)", training, series, {})


def accuracy_curve(training: TrainingSummary, *, majority: float | None = None) -> Drawing:
    """Draw training and validation accuracy; ``majority`` adds the line of always answering the same."""
    series = {
        "training": [row.accuracy for row in training.history],
        "validation": [row.val_accuracy for row in training.history],
    }
    lines = {} if majority is None else {"majority class": majority}
    return _curve("Accuracy per epoch", "accuracy", training, series, lines)


def curves_svg(training: TrainingSummary, *, title: str, majority: float | None = None) -> str:
    """Return one standalone SVG file with both curves side by side."""
    both = Drawing(2 * _WIDTH + 20, _HEIGHT + 36, title, "Loss and accuracy over the epochs of a run.")
    both.text(12, 22, title, style="plot-title")
    both.group(loss_curve(training), 0, 32)
    both.group(accuracy_curve(training, majority=majority), _WIDTH + 20, 32)
    return both.render(standalone=True)


def _curve(
    title: str,
    name: str,
    training: TrainingSummary,
    series: dict[str, list[float | None]],
    lines: dict[str, float],
) -> Drawing:
    known = {key: values for key, values in series.items() if any(value is not None for value in values)}
    drawing = Drawing(_WIDTH, _HEIGHT, title, _in_words(name, training.history, known))
    drawing.text(_LEFT - 34, 14, title, style="plot-heading")
    if not known:
        drawing.text(_LEFT, 60, "no epoch was finished" if not training.history else "not recorded")
        return drawing
    values = [value for column in known.values() for value in column if value is not None] + list(lines.values())
    x = _epoch_scale(training.history)
    y = _value_scale(values)
    ticks = nice_ticks(y.low, y.high)
    drawing.y_axis(y, x.start, x.end, ticks, [f"{tick:g}" for tick in ticks])
    epochs = _epoch_ticks(training.history)
    drawing.x_axis(x, y.start, epochs, [f"{tick:g}" for tick in epochs], "epoch")
    _mark_kept(drawing, x, y, training.kept_epoch)
    for value in lines.values():
        drawing.line(x.start, y(value), x.end, y(value), "plot-reference")
    for key, column in known.items():
        _series(drawing, x, y, key, training.history, column, name)
    samples = [(f"plot-{key}", key) for key in known] + [("plot-reference", key) for key in lines]
    drawing.legend(_LEFT, 33, samples)
    return drawing


def _series(
    drawing: Drawing,
    x: Scale,
    y: Scale,
    key: str,
    history: Sequence[EpochRow],
    column: Sequence[float | None],
    name: str,
) -> None:
    points = [(row.epoch, value) for row, value in zip(history, column, strict=True) if value is not None]
    drawing.polyline([(x(epoch), y(value)) for epoch, value in points], f"plot-{key}")
    if len(points) <= 60:
        for epoch, value in points:
            drawing.dot(x(epoch), y(value), 2.4, f"plot-{key}-dot", f"epoch {epoch}: {key} {name} {value:.4f}")


def _mark_kept(drawing: Drawing, x: Scale, y: Scale, kept_epoch: int) -> None:
    if not x.low <= kept_epoch <= x.high or kept_epoch < 1:
        return
    at = x(kept_epoch)
    drawing.line(at, y.start, at, y.end, "plot-mark")
    late = at > (x.start + x.end) / 2
    drawing.text(at - 5 if late else at + 5, y.end + 11, "kept", anchor="end" if late else "start", style="plot-name")


def _epoch_scale(history: Sequence[EpochRow]) -> Scale:
    first, last = history[0].epoch, history[-1].epoch
    if first == last:
        first, last = first - 1, last + 1
    return Scale(first, last, _LEFT, _WIDTH - _RIGHT)


def _epoch_ticks(history: Sequence[EpochRow]) -> list[float]:
    first, last = history[0].epoch, history[-1].epoch
    if last - first <= 8:
        return [float(epoch) for epoch in range(first, last + 1)]
    return [tick for tick in nice_ticks(first, last, 6) if tick == int(tick)]


def _value_scale(values: Sequence[float]) -> Scale:
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or max(0.05 * abs(high), 0.01)
    return Scale(max(0.0, low - margin), high + margin, _HEIGHT - _BOTTOM, _TOP + 8)


def _in_words(name: str, history: Sequence[EpochRow], series: dict[str, list[float | None]]) -> str:
    ends = [f"{key} {name} from {column[0]:.3f} to {column[-1]:.3f}" for key, column in series.items() if _ends(column)]
    return f"{len(history)} epochs: {'; '.join(ends)}."


def _ends(column: Sequence[float | None]) -> bool:
    return column[0] is not None and column[-1] is not None
