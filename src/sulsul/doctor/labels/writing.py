"""Probably wrong labels as a table for a spreadsheet, as JSON, and as a few lines for the terminal."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sulsul.doctor.labels.label_report import DoubtedLabel, LabelReport
from sulsul.doctor.quoting import count, percent, quote
from sulsul.doctor.rendering import render_heading
from sulsul.errors import OutputError
from sulsul.files import write_text_atomically
from sulsul.findings import Finding
from sulsul.report.text_table import printable

_SHOWN = 10
_SHOWN_CONFLICTS = 5


def write_doubted(report: LabelReport, output: Path) -> None:
    """Write a CSV line per doubted label, the likeliest wrong first; several labels are joined by ``|``.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    if output.is_dir():
        raise OutputError(f"{output} is a folder; name a file for the doubted labels.")
    with_ids = any(doubted.identifier is not None for doubted in report.doubted)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    identifier = ["id"] if with_ids else []
    writer.writerow(
        ["row", *identifier, "text", "label", "suggested", "probability", "margin", "same_text_other_label"]
    )
    for doubted in report.doubted:
        writer.writerow(
            [
                doubted.row,
                *([doubted.identifier] if with_ids else []),
                doubted.text,
                "|".join(doubted.given),
                "|".join(doubted.suggested),
                f"{doubted.probability:.4f}",
                f"{doubted.margin:.4f}",
                " ".join(map(str, doubted.conflicting_rows)),
            ]
        )
    write_text_atomically(output, file.getvalue())


def labels_to_json(report: LabelReport) -> str:
    """Return the whole report as one JSON document."""
    share = report.wrong_share
    document = {
        "source": report.source,
        "judged_by": report.model,
        "texts": report.n_texts,
        "judged": report.n_judged,
        "wrong_share": None if share is None else share.share,
        "wrong_share_interval": None if share is None else list(share.interval),
        "conflicts": None if report.conflicts is None else report.conflicts.model_dump(mode="json"),
        "doubted": [_as_json(doubted, report.multi_label) for doubted in report.doubted],
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def _as_json(doubted: DoubtedLabel, multi_label: bool) -> dict[str, Any]:
    given: object = doubted.given if multi_label else doubted.given[0]
    suggested: object = doubted.suggested if multi_label else doubted.suggested[0]
    return {
        "row": doubted.row,
        **({} if doubted.identifier is None else {"id": doubted.identifier}),
        "text": doubted.text,
        "label": given,
        "suggested": suggested,
        "probability": round(doubted.probability, 6),
        "margin": round(doubted.margin, 6),
        "same_text_other_label": list(doubted.conflicting_rows),
    }


def render_labels(report: LabelReport, output: Path | None) -> RenderableType:
    """Return the first doubted labels, equal texts with different labels, the estimate, and where the rest is."""
    parts: list[RenderableType] = []
    if report.doubted:
        parts += [_table(report), Text()]
    if report.conflicts is not None:
        parts += [render_heading(report.conflicts), *_examples(report.conflicts), Text()]
    parts.append(Text(_summary(report), style="bold"))
    if output is not None:
        parts.append(Text(f"written to {output}"))
    elif len(report.doubted) > _SHOWN:
        parts.append(Text("-o FILE writes all of them as CSV", style="dim"))
    return Group(*parts)


def _table(report: LabelReport) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Row", "Label", "Suggested"):
        table.add_column(name, justify="right" if name == "Row" else "left")
    table.add_column("Probability", justify="right")
    table.add_column("Text", overflow="fold")
    for doubted in report.doubted[:_SHOWN]:
        given, suggested = (", ".join(names) or "none" for names in (doubted.given, doubted.suggested))
        table.add_row(
            str(doubted.row),
            Text(printable(given)),
            Text(printable(suggested)),
            f"{doubted.probability:.3f}",
            Text(printable(quote(doubted.text, 60))),
        )
    return table


def _examples(conflicts: Finding) -> list[RenderableType]:
    examples = conflicts.evidence.get("examples")
    shown = examples[:_SHOWN_CONFLICTS] if isinstance(examples, list) else []
    return [Text(f"  {printable(str(example))}", style="dim") for example in shown]


def _summary(report: LabelReport) -> str:
    share = report.wrong_share
    lines = [f"{count(len(report.doubted), 'label')} of {report.n_judged:,} doubted, by {report.model}."]
    if report.n_judged < report.n_texts:
        lines.append(
            f"{count(report.n_texts - report.n_judged, 'text')} not judged: blank, or the only one of its class."
        )
    if share is not None:
        low, high = (percent(bound) for bound in share.interval)
        lines.append(f"Estimated share of wrong labels: {percent(share.share)} (95 % interval {low} to {high}).")
    return "\n".join(lines)
