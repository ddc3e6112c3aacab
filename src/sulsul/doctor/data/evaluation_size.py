"""Too few texts to judge by, or none."""

from collections.abc import Iterator

from sulsul.doctor.data.evidence import DataEvidence
from sulsul.doctor.quoting import count
from sulsul.evaluation.intervals import wilson_interval
from sulsul.findings import Finding

_ROUGH, _POINTLESS = 0.03, 0.1


def find_small_evaluation(evidence: DataEvidence) -> Iterator[Finding]:
    """Find an evaluation split on which differences of several points are chance."""
    if evidence.headline is None:
        return
    n = len(evidence.splits[evidence.headline])
    low, high = wilson_interval(round(0.8 * n), n)
    half = (high - low) / 2
    if half < _ROUGH:
        return
    yield Finding(
        check="small-evaluation",
        severity="warning" if half >= _POINTLESS else "note",
        what=f"The {evidence.headline} split has {count(n, 'text')}: at 80 % an accuracy is known to about "
        f"±{half * 100:.1f} points only.",
        why="Two models that far apart cannot be told from each other; the second decimal of a score means nothing.",
        remedy="Judge on more texts (--set split.test=0.3), or on all of them in turn: sulsul compare DATA --folds 5.",
        evidence={"split": evidence.headline, "texts": n, "half_width": round(half, 4)},
    )


def find_no_validation(evidence: DataEvidence) -> Iterator[Finding]:
    """Find a division without validation texts, or without any texts to judge by."""
    if not evidence.splits or "validation" in evidence.splits:
        return
    nothing = evidence.headline is None
    yield Finding(
        check="no-validation",
        severity="error" if nothing else "warning",
        what="There are neither validation nor test texts." if nothing else "There is no validation split.",
        why="Nothing can tell when to stop or which epoch is the best"
        + (", and the score would be that on the training texts." if nothing else " but the texts it is judged by."),
        remedy="Keep some training texts back: --set split.validation=0.1",
        evidence={name: len(rows) for name, rows in evidence.splits.items()},
    )
