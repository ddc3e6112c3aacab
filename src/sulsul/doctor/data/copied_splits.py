"""A validation or test split that is another split under a second name."""

from collections.abc import Iterator

import numpy as np

from sulsul.doctor.data.evidence import DataEvidence
from sulsul.doctor.quoting import percent
from sulsul.findings import Finding
from sulsul.report.record import Split

_NEARLY_ALL, _FEWEST = 0.9, 10


def find_copied_splits(evidence: DataEvidence) -> Iterator[Finding]:
    """Find splits of which nearly every text is in the split it should be independent of."""
    splits: tuple[Split, ...] = ("validation", "test")
    for name in splits:
        if is_copy(evidence, name, "train"):
            yield Finding(
                check="validation-copied",
                severity="error",
                what=f"{percent(share_in(evidence, name, 'train'))} of the {name} texts are training texts.",
                why="The score is that on the training texts: it says how well the network remembers.",
                remedy=f"Give other texts for {name}, or leave the file out and let the texts be divided.",
                evidence={"split": name, "texts": len(evidence.splits[name])},
            )
    if is_copy(evidence, "test", "validation"):
        yield Finding(
            check="test-as-validation",
            severity="error",
            what=f"{percent(share_in(evidence, 'test', 'validation'))} of the test texts are validation texts.",
            why="They chose the epoch and the settings, so the score is flattered and nothing is left to judge by.",
            remedy="Keep the test texts out of training altogether: leave out --validation, and let a part of the "
            "training texts be taken.",
            evidence={"texts": len(evidence.splits["test"])},
        )


def is_copy(evidence: DataEvidence, split: Split, other: Split) -> bool:
    """Whether nearly all texts of a split are in another one."""
    return len(evidence.splits.get(split, ())) >= _FEWEST and share_in(evidence, split, other) >= _NEARLY_ALL


def share_in(evidence: DataEvidence, split: Split, other: Split) -> float:
    """Return the share of a split's texts that the other split holds too; 0 where one of them is absent."""
    if split not in evidence.splits or other not in evidence.splits:
        return 0.0
    keys = evidence.key_ids[evidence.splits[split]]
    return float(np.isin(keys[keys >= 0], evidence.key_ids[evidence.splits[other]]).mean()) if len(keys) else 0.0
