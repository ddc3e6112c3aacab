"""A record as tables for the terminal."""

import unicodedata
from collections.abc import Callable, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from sulsul.evaluation.intervals import Interval
from sulsul.evaluation.result import Evaluation
from sulsul.findings import Finding
from sulsul.report.answer import abstention_words, calibration_words, composition
from sulsul.report.record import AnswerSummary, Comparison, ComparisonRow, RunRecord
from sulsul.report.verdict import Verdict, verdict

_LARGEST_MATRIX = 12
_MOST_CLASSES = 30
_TONES = {"better": "green", "alike": "yellow", "worse": "red", "useless": "red", "collapsed": "red", "plain": "cyan"}
_SEVERITIES = {"error": "red", "warning": "yellow", "note": "cyan"}


def render_terminal(record: RunRecord) -> RenderableType:
    """Render what a command prints at its end: context, classes, confusion, findings and, last, the verdict.

    Class names and texts are printed literally: rich's markup and control characters in data have no effect.
    """
    parts: list[RenderableType] = []
    if record.comparison is not None:
        parts.append(_comparison(record.comparison))
    if record.headline is not None:
        parts.append(_context(record, record.headline))
        if record.answer is not None:
            parts.append(_answer(record.answer))
        parts.append(_classes(record.headline))
        if record.headline.confusion is not None and len(record.headline.classes) <= _LARGEST_MATRIX:
            parts.append(_confusion(record.headline))
    parts.extend(_finding_lines(record.findings))
    parts.append(render_verdict(verdict(record)))
    spaced = [piece for part in parts for piece in (part, Text())]
    return Group(*spaced[:-1])


def render_verdict(judged: Verdict) -> Text:
    """Render a verdict as a few lines of text."""
    text = Text.assemble((f"{judged.label}. ", f"bold {_TONES[judged.tone]}"), (printable(judged.sentence), "bold"))
    for caveat in judged.caveats:
        text.append(f"\n  {printable(caveat)}")
    return text


def printable(text: str) -> str:
    """Replace control characters, which a terminal would obey, by U+FFFD, and line breaks by spaces."""
    flat = " ".join(text.splitlines()) if "\n" in text or "\r" in text else text
    return "".join("\ufffd" if unicodedata.category(character) in {"Cc", "Cs"} else character for character in flat)


def _context(record: RunRecord, evaluation: Evaluation) -> RenderableType:
    table = _table("Classifier", "Accuracy", "Macro-F1", "Seconds")
    name = record.model.name if record.model else "this model"
    ours = _scores(evaluation.accuracy, evaluation.accuracy_interval)
    ours_macro = _scores(evaluation.macro_f1, evaluation.macro_f1_interval)
    seconds = record.training_seconds
    table.add_row(_literal(name), ours, ours_macro, _plain(seconds, 1), style="bold")
    for baseline in record.baselines:
        table.add_row(
            _literal(baseline.title),
            _scores(baseline.accuracy, baseline.accuracy_interval),
            _scores(baseline.macro_f1, baseline.macro_f1_interval),
            _plain(baseline.seconds, 1),
        )
    if not record.baselines:
        majority = _literal(f"always “{evaluation.majority_class}”")
        table.add_row(majority, f"{evaluation.majority_accuracy:.3f}", "–", "–")
    against = [(test.second, test.words) for test in record.paired]
    title = f"{evaluation.n:,} {record.headline_split} texts, 95 % intervals"
    return Group(Text(title), table, *_outcomes("The model against", against))


def _answer(answer: AnswerSummary) -> RenderableType:
    table = _table("Part", "Accuracy", "Macro-F1", "Loss", "Calibration error")
    for part in answer.parts:
        table.add_row(
            _literal(part.name),
            _scores(part.accuracy, part.accuracy_interval),
            _scores(part.macro_f1, part.macro_f1_interval),
            _plain(part.loss, 3),
            _plain(part.ece, 3),
            style="bold" if part.kind == "whole" else "",
        )
    said = [composition(answer), calibration_words(answer), abstention_words(answer)]
    lines = [_literal(sentence) for sentence in said if sentence is not None]
    return Group(lines[0], *([table] if len(answer.parts) > 1 else []), *lines[1:])


def _classes(evaluation: Evaluation) -> RenderableType:
    rows = evaluation.per_class
    title = f"Classes (loss {evaluation.loss:.3f} nats, calibration error {evaluation.calibration.ece:.3f})"
    if len(rows) > _MOST_CLASSES:
        title += f", the {_MOST_CLASSES} most frequent of {len(rows):,}"
        rows = tuple(sorted(rows, key=lambda scores: -scores.support)[:_MOST_CLASSES])
    table = _table("Class", "Precision", "Recall", "F1", "Texts", "Predicted")
    for scores in rows:
        figures = [_plain(value, 3) for value in (scores.precision, scores.recall, scores.f1)]
        table.add_row(_literal(scores.name), *figures, f"{scores.support:,}", f"{scores.predicted:,}")
    return Group(Text(title), table)


def _confusion(evaluation: Evaluation) -> RenderableType:
    table = _table("", *(printable(name) for name in evaluation.classes))
    for index, row in enumerate(evaluation.confusion or ()):
        cells = [Text(f"{count:,}", style="bold" if index == column else "") for column, count in enumerate(row)]
        table.add_row(_literal(evaluation.classes[index]), *cells)
    return Group(Text("Confusion: true class in rows, predicted in columns"), table)


class _ComparisonTables:
    """The contenders in one table where the terminal is wide enough, else their scores and their costs in two."""

    _ONE_TABLE_WIDTH = 110

    def __init__(self, comparison: Comparison) -> None:
        self._rows = comparison.rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        scores, costs = ("Accuracy", "Macro-F1", "± spread"), ("Parameters", "Seconds", "Texts/s")
        if options.max_width >= self._ONE_TABLE_WIDTH:
            yield self._filled((*scores, *costs), lambda row: (*_score_cells(row), *_cost_cells(row)))
            return
        yield self._filled(scores, _score_cells)
        yield Text()
        yield self._filled(costs, _cost_cells)

    def _filled(self, headings: Sequence[str], cells: Callable[[ComparisonRow], Sequence[str]]) -> Table:
        table = _table("Contender", *headings)
        for row in self._rows:
            name = _literal(row.name)
            if row.kind != "model":
                name.append(f" ({row.kind})", style="dim")
            table.add_row(name, *cells(row), style="bold" if row.best else "")
        return table


def _score_cells(row: ComparisonRow) -> tuple[str, ...]:
    spread = _plain(row.accuracy_spread.standard_deviation if row.accuracy_spread else None, 3)
    return _scores(row.accuracy, row.accuracy_interval), _scores(row.macro_f1, row.macro_f1_interval), spread


def _cost_cells(row: ComparisonRow) -> tuple[str, ...]:
    return _count(row.n_parameters), _plain(row.seconds, 1), _count(row.docs_per_s)


def _comparison(comparison: Comparison) -> RenderableType:
    against = [(row.name, row.verdict) for row in comparison.rows if row.verdict]
    title = f"{comparison.design}, {comparison.n:,} texts, 95 % intervals"
    heading = f"Against the best ({comparison.test})"
    return Group(Text(title), _ComparisonTables(comparison), Text(), *_outcomes(heading, against))


def _outcomes(heading: str, outcomes: Sequence[tuple[str, str]]) -> list[Text]:
    if not outcomes:
        return []
    return [Text(heading), *(_literal(f"  {name}: {words}") for name, words in outcomes)]


def _finding_lines(findings: Sequence[Finding]) -> list[Text]:
    ordered = sorted(findings, key=lambda finding: list(_SEVERITIES).index(finding.severity))
    return [
        Text.assemble(
            (f"{finding.severity}: ", f"bold {_SEVERITIES[finding.severity]}"),
            printable(finding.what),
            ("\n  " + printable(finding.remedy), "dim"),
        )
        for finding in ordered
    ]


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(Text(first), overflow="fold")
    for heading in others:
        table.add_column(Text(heading), justify="right", overflow="fold")
    return table


def _literal(text: str) -> Text:
    return Text(printable(text))


def _scores(value: float, interval: Interval) -> str:
    return f"{value:.3f} ({interval[0]:.3f}–{interval[1]:.3f})"


def _plain(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"
