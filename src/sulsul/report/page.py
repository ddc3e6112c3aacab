"""The report of a run: one HTML page that needs no network, no script and no other file."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sulsul.evaluation.intervals import Interval
from sulsul.evaluation.result import Evaluation
from sulsul.findings import Finding
from sulsul.report.answer import abstention_words, calibration_words, composition
from sulsul.report.curves import accuracy_curve, loss_curve
from sulsul.report.intervals_plot import contenders, intervals_plot
from sulsul.report.lengths import lengths_plot
from sulsul.report.mistakes import excerpt
from sulsul.report.record import RunRecord
from sulsul.report.reliability import reliability_plot
from sulsul.report.scripts import language_of
from sulsul.report.svg import Drawing, clean, stylesheet
from sulsul.report.verdict import verdict

# A matrix of more classes than this no longer reads as a table; the most frequent confusions are listed instead.
LARGEST_MATRIX = 25
_MOST_CONFUSIONS = 30
_MOST_CLASSES = 200
_SEVERITIES = {"error": 0, "warning": 1, "note": 2}
_CELL = 160
_OPEN_MISTAKES = 6
_ENDINGS = {"finished": "all epochs ran", "early": "patience ran out", "interrupted": "it was interrupted"}


def render_report(record: RunRecord) -> str:
    """Render a record as one self-contained HTML page.

    Everything that comes from data is escaped; the page holds no script, and its content security policy forbids any.
    """
    template = _environment().get_template("report.html.j2")
    evaluation = record.headline
    return template.render(
        record=record,
        answer=_answer(record),
        verdict=verdict(record),
        evaluation=evaluation,
        plots=_plots(record, evaluation),
        findings=sorted(record.findings, key=lambda finding: _SEVERITIES[finding.severity]),
        paired=defaultdict(lambda: None, {test.second: test for test in record.paired}),
        confusions=_confusions(evaluation),
        shown_classes=_shown_classes(evaluation),
        largest_matrix=LARGEST_MATRIX,
        open_mistakes=_OPEN_MISTAKES,
        endings=_ENDINGS,
        styles=Markup("".join(stylesheet(name) for name in ("colours", "page", "plots"))),
    )


def _answer(record: RunRecord) -> dict[str, Any] | None:
    """Return the sentences about what the answer consists of."""
    if record.answer is None:
        return None
    return {
        "parts": record.answer.parts,
        "composition": composition(record.answer),
        "calibration": calibration_words(record.answer),
        "abstention": abstention_words(record.answer),
    }


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_without_forbidden_characters,
    )
    filters: dict[str, Callable[..., Any]] = {
        "score": _score,
        "interval": _interval,
        "percent": _percent,
        "seconds": _seconds,
        "number": _number,
        "language": language_of,
        "evidence": _evidence,
        "pretty": lambda value: json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True),
    }
    environment.filters.update(filters)
    return environment


def _plots(record: RunRecord, evaluation: Evaluation | None) -> dict[str, Markup]:
    drawings: dict[str, Drawing] = {}
    rows = contenders(record)
    if len(rows) > 1:
        drawings["intervals"] = intervals_plot(rows)
    if record.training is not None and record.training.history:
        validation = record.evaluations.get("validation")
        drawings["loss"] = loss_curve(record.training)
        if any(row.accuracy is not None or row.val_accuracy is not None for row in record.training.history):
            majority = validation.majority_accuracy if validation else None
            drawings["accuracy"] = accuracy_curve(record.training, majority=majority)
    if evaluation is not None:
        drawings["reliability"] = reliability_plot(evaluation.calibration)
    if record.text is not None and record.text.lengths is not None:
        drawings["lengths"] = lengths_plot(record.text.lengths)
    return {name: Markup(drawing.render()) for name, drawing in drawings.items()}


def _confusions(evaluation: Evaluation | None) -> list[tuple[str, str, int]]:
    """Return the most frequent confusions as (true, predicted, texts), the most frequent first."""
    if evaluation is None or evaluation.confusion is None:
        return []
    names = evaluation.classes
    cells = [
        (names[i], names[j], count)
        for i, row in enumerate(evaluation.confusion)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(cells, key=lambda cell: -cell[2])[:_MOST_CONFUSIONS]


def _shown_classes(evaluation: Evaluation | None) -> Sequence[Any]:
    """Return the per-class rows, only the most frequent classes where there are very many."""
    if evaluation is None:
        return ()
    if len(evaluation.per_class) <= _MOST_CLASSES:
        return evaluation.per_class
    return sorted(evaluation.per_class, key=lambda scores: -scores.support)[:_MOST_CLASSES]


def _without_forbidden_characters(value: object) -> object:
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(value: Interval) -> str:
    return f"{value[0]:.3f}–{value[1]:.3f}"


def _percent(value: float, digits: int = 1) -> str:
    smallest = 10.0**-digits
    if 0.0 < value * 100 < smallest / 2:
        return f"< {smallest:g}\u00a0%"
    return f"{value * 100:.{digits}f}\u00a0%"


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    if value < 0.05:
        return "< 0.1 s"
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _evidence(finding: Finding) -> list[tuple[str, str]]:
    """Return the evidence as names and short texts."""
    shown = []
    for key, value in finding.evidence.items():
        parts = value if isinstance(value, list) else [value]
        words = ", ".join(_evidence_value(part) for part in parts[:8]) + (" …" if len(parts) > 8 else "")
        shown.append((key.replace("_", " "), words))
    return shown


def _evidence_value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return excerpt(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), _CELL)
