"""Labels that the length of a text alone gives away."""

from collections.abc import Iterator

import numpy as np

from sulsul.doctor.setup.evidence import SetupEvidence
from sulsul.findings import Finding

_TELLING = 0.8
_FEWEST = 20


def find_length_leak(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find a class that can be told by nothing but the number of tokens."""
    class_ids, lengths = evidence.class_ids, evidence.data.train.full_lengths
    if class_ids is None:
        return
    curves = {
        name: _auc(class_ids == c, lengths)
        for c, name in enumerate(evidence.data.labels.classes)
        if min(int((class_ids == c).sum()), int((class_ids != c).sum())) >= _FEWEST
    }
    if not curves or max(map(_distance, curves.values())) < _TELLING - 0.5:
        return
    name = max(curves, key=lambda key: _distance(curves[key]))
    own = class_ids == evidence.data.labels.classes.index(name)
    yield Finding(
        check="length-leak",
        severity="warning",
        what=f"The length alone tells “{name}”: its texts have {np.median(lengths[own]):.0f} tokens (median), the "
        f"others {np.median(lengths[~own]):.0f}; AUC {max(curves[name], 1 - curves[name]):.2f}.",
        why="A model can score well by counting"
        + (" the pads it reads" if evidence.pads_are_read else "")
        + " and will be wrong on texts of another length.",
        remedy="Find out why the lengths differ (a source, a template, a form field), and judge on texts of a length.",
        evidence={"auc_by_class": {key: round(value, 4) for key, value in curves.items()}},
    )


def _distance(area: float) -> float:
    return abs(area - 0.5)


def _auc(positive: np.ndarray, values: np.ndarray) -> float:
    """Return the area under the ROC curve: the chance that a positive has the larger value (Mann & Whitney 1947)."""
    from scipy.stats import rankdata

    n_positive = int(positive.sum())
    ranks = rankdata(values)
    wins = float(ranks[positive].sum()) - n_positive * (n_positive + 1) / 2
    return wins / (n_positive * (len(values) - n_positive))
