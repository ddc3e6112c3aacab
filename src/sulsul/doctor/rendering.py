"""A diagnosis for a reader and for a program."""

import json

from pydantic import JsonValue
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from sulsul.doctor.examination import Diagnosis
from sulsul.doctor.quoting import count
from sulsul.findings import Finding, Severity
from sulsul.report.text_table import printable

_STYLES: dict[Severity, str] = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}
_MOST_VALUES = 5


def render_diagnosis(diagnosis: Diagnosis) -> RenderableType:
    """Return every finding with its evidence, reason and remedy, and a last line that counts them."""
    parts: list[RenderableType] = []
    for finding in diagnosis.findings:
        parts += [_finding(finding), Text()]
    parts += [Text(remark, style="dim") for remark in map(printable, diagnosis.remarks)]
    return Group(*parts, Text(_summary(diagnosis), style="bold"))


def diagnosis_to_json(diagnosis: Diagnosis, *, target: str) -> str:
    """Return the diagnosis as one JSON document."""
    document = {
        "target": target,
        "counts": {severity: diagnosis.count(severity) for severity in _STYLES},
        "findings": [
            {**finding.model_dump(mode="json"), "documentation": finding.documentation}
            for finding in diagnosis.findings
        ],
        "checked": list(diagnosis.checked),
        "remarks": list(diagnosis.remarks),
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def render_heading(finding: Finding) -> Text:
    """Return severity and finding in one line."""
    return Text.assemble((f"{finding.severity}: ", _STYLES[finding.severity]), printable(finding.what))


def _finding(finding: Finding) -> RenderableType:
    head = Text.assemble((f"{finding.severity}: ", _STYLES[finding.severity]), (printable(finding.what), "bold"))
    lines = [_evidence_line(name, value) for name, value in finding.evidence.items()]
    lines.append(Text(printable(finding.why)))
    lines.append(Text.assemble(("→ ", "green"), printable(finding.remedy)))
    lines.append(Text(finding.documentation, style="dim"))
    return Group(head, Padding(Group(*lines), (0, 0, 0, 2)))


def _evidence_line(name: str, value: JsonValue) -> Text:
    heading = printable(name.replace("_", " "))
    if isinstance(value, list) and any(isinstance(part, str) and len(part) > 20 for part in value):
        shown = [f"\n  {_value(part)}" for part in value[:_MOST_VALUES]]
        more = [f"\n  … and {len(value) - _MOST_VALUES} more"] if len(value) > _MOST_VALUES else []
        return Text(f"{heading}:{''.join([*shown, *more])}", style="dim")
    return Text(f"{heading}: {_value(value)}", style="dim")


def _value(value: JsonValue) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return printable(", ".join(f"{key} {_value(item)}" for key, item in value.items()))
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "none"
    return printable(str(value))


def _summary(diagnosis: Diagnosis) -> str:
    counted = ", ".join(count(diagnosis.count(severity), severity) for severity in _STYLES)
    return f"{counted}; {count(len(diagnosis.checked), 'kind')} of mistake looked for."
