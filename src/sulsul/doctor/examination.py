"""Running checks on what there is to see."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sulsul.corpora import DataSettings, SplitSettings, read_corpus, read_splits
from sulsul.doctor.check import Check
from sulsul.doctor.data.evidence import DataEvidence
from sulsul.doctor.registry import DATA_CHECKS
from sulsul.errors import LabelError, SplitError
from sulsul.findings import Finding, Severity
from sulsul.report.record import Split

E = TypeVar("E")

_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Diagnosis:
    """What was found, the gravest first, and which checks looked.

    Attributes
    ----------
    checked
        Slugs of the checks that ran, each once.
    remarks
        What could not be looked at, and why.
    """

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    def __add__(self, other: "Diagnosis") -> "Diagnosis":
        return Diagnosis(
            by_severity([*self.findings, *other.findings]),
            tuple(dict.fromkeys([*self.checked, *other.checked])),
            tuple(dict.fromkeys([*self.remarks, *other.remarks])),
        )

    def count(self, severity: Severity) -> int:
        """Return the number of findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings, errors first; equals keep their order."""
    return tuple(sorted(findings, key=lambda finding: _ORDER[finding.severity]))


def examine(checks: Sequence[Check[E]], evidence: E, *, thorough: bool = True) -> Diagnosis:
    """Run checks on the evidence they need; ``thorough=False`` leaves out those that take long."""
    chosen = [check for check in checks if thorough or check.cost == "quick"]
    found = [finding for check in chosen for finding in check.look(evidence)]
    return Diagnosis(by_severity(found), tuple(dict.fromkeys(check.slug for check in chosen)))


def examine_data(evidence: DataEvidence, *, thorough: bool = True) -> Diagnosis:
    """Look at texts and labels before anything is made of them."""
    return examine(DATA_CHECKS, evidence, thorough=thorough)


def examine_source(data: DataSettings, split: SplitSettings, *, thorough: bool = True) -> Diagnosis:
    """Read a source and look at its texts and labels.

    Where the source has no labels, or they cannot be divided as asked, the checks that need that are left out and the
    diagnosis says why.

    Raises
    ------
    UsageError, DataError, EncodingError
        If the source cannot be read.
    """
    try:
        corpus, divided = read_splits(data, split)
    except (LabelError, SplitError) as error:
        corpus = read_corpus(data, labels="optional")
        diagnosis = examine_data(DataEvidence(corpus, settings=data, split_settings=split), thorough=thorough)
        return replace(diagnosis, remarks=(f"The texts were not divided: {error}",))
    names: tuple[Split, ...] = ("train", "validation", "test")
    splits = {name: rows for name in names if len(rows := getattr(divided, name))}
    return examine_data(DataEvidence(corpus, splits, data, split), thorough=thorough)
