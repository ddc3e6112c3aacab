"""Running checks on what there is to see."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sulsul.doctor.check import Check, Stage
from sulsul.doctor.data.evidence import DataEvidence
from sulsul.doctor.keras_files.evidence import KerasEvidence
from sulsul.doctor.registry import DATA_CHECKS, KERAS_CHECKS, RUN_CHECKS, SETUP_CHECKS
from sulsul.doctor.run.evidence import RunEvidence
from sulsul.doctor.setup.evidence import SetupEvidence
from sulsul.findings import Finding, Severity

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


def examine(
    checks: Sequence[Check[E]], evidence: E, *, stages: Collection[Stage] | None = None, thorough: bool = True
) -> Diagnosis:
    """Run checks on the evidence they need.

    Parameters
    ----------
    checks
        Which to run.
    evidence
        What they look at.
    stages
        Only the checks of these stages; None: all.
    thorough
        False leaves out the checks that take long.
    """
    chosen = [
        check for check in checks if (thorough or check.cost == "quick") and (stages is None or check.stage in stages)
    ]
    found = [finding for check in chosen for finding in check.look(evidence)]
    return Diagnosis(by_severity(found), tuple(dict.fromkeys(check.slug for check in chosen)))


def examine_data(evidence: DataEvidence, *, thorough: bool = True) -> Diagnosis:
    """Look at texts and labels before anything is made of them."""
    return examine(DATA_CHECKS, evidence, thorough=thorough)


def examine_setup(evidence: SetupEvidence, *, thorough: bool = True) -> Diagnosis:
    """Look at settings and, as far as they exist, at the encoded texts and the network made by them."""
    stages: list[Stage] = ["specification"]
    if evidence.prepared is not None:
        stages.append("encoded")
        if evidence.network is not None:
            stages.append("model")
    return examine(SETUP_CHECKS, evidence, stages=stages, thorough=thorough)


def examine_run(evidence: RunEvidence, *, thorough: bool = True) -> Diagnosis:
    """Look at what a run left."""
    return examine(RUN_CHECKS, evidence, thorough=thorough)


def examine_keras(evidence: KerasEvidence) -> Diagnosis:
    """Look at a Keras model and its inputs."""
    diagnosis = examine(KERAS_CHECKS, evidence)
    if evidence.inputs is None:
        return replace(diagnosis, remarks=("Without an .npz of its inputs only the model was looked at.",))
    return diagnosis
