"""Labels that come sorted in the file."""

from collections.abc import Iterator

import numpy as np

from sulsul.doctor.data.evidence import DataEvidence
from sulsul.findings import Finding

_FEWEST = 50
_SORTED = 0.25


def find_sorted_labels(evidence: DataEvidence) -> Iterator[Finding]:
    """Find far fewer runs of equal labels than a shuffled file would have."""
    labels = evidence.class_ids[evidence.class_ids >= 0]
    if len(labels) < _FEWEST or len(evidence.classes) < 2:
        return
    n_runs, expected = runs(labels)
    if n_runs >= _SORTED * expected:
        return
    cut = evidence.settings.limit is not None and len(labels) >= evidence.settings.limit
    yield Finding(
        check="sorted-labels",
        severity="warning" if cut else "note",
        what=f"The labels are sorted in the file: {n_runs:,} runs of equal labels, where {expected:,.0f} would be "
        f"expected in a shuffled one{', and only the first rows are used' if cut else ''}.",
        why="Taking the last (or first) rows of a sorted file, as Keras's validation_split and every limit do, leaves "
        "classes out of a split.",
        remedy="Shuffle the file before you take rows from its beginning."
        if cut
        else "Nothing to do here: sulsul draws its splits at random and stratified. Shuffle before using such a file "
        "with validation_split.",
        evidence={"runs": n_runs, "expected_runs": round(expected, 1), "rows": len(labels)},
    )


def runs(labels: np.ndarray) -> tuple[int, float]:
    """Return the number of runs of equal labels, and the number expected in random order.

    The expectation is 1 + n (1 - sum p²) in the limit of many texts (Wald & Wolfowitz 1940 for two classes).
    """
    n_runs = 1 + int((labels[1:] != labels[:-1]).sum())
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return n_runs, 1.0 + len(labels) * (1.0 - float((shares**2).sum()))
