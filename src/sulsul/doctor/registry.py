"""Every check, in the order in which findings are told."""

from typing import Any

from sulsul.doctor.check import Check
from sulsul.doctor.data.boilerplate import find_boilerplate
from sulsul.doctor.data.classes import find_dropped_classes, find_imbalance
from sulsul.doctor.data.duplicates import find_conflicting_labels, find_duplicates
from sulsul.doctor.data.evaluation_size import find_no_validation, find_small_evaluation
from sulsul.doctor.data.evidence import DataEvidence
from sulsul.doctor.data.grouping import find_time_or_groups
from sulsul.doctor.data.label_leak import find_label_leak
from sulsul.doctor.data.label_order import find_sorted_labels
from sulsul.doctor.data.missing_texts import find_missing_texts
from sulsul.doctor.data.near_duplicates import find_near_duplicates
from sulsul.doctor.data.token_archive import find_shifted_ids, find_unknown_ids
from sulsul.doctor.data.unicode_damage import find_broken_encoding, find_unusual_characters

DATA_CHECKS: tuple[Check[DataEvidence], ...] = (
    Check("missing-texts", "data", find_missing_texts),
    Check("broken-encoding", "data", find_broken_encoding),
    Check("unusual-characters", "data", find_unusual_characters),
    Check("boilerplate", "data", find_boilerplate),
    Check("token-ids", "data", find_shifted_ids),
    Check("out-of-vocabulary", "data", find_unknown_ids),
    Check("dropped-classes", "data", find_dropped_classes),
    Check("class-imbalance", "data", find_imbalance),
    Check("sorted-labels", "data", find_sorted_labels),
    Check("label-leak", "data", find_label_leak),
    Check("conflicting-labels", "data", find_conflicting_labels),
    Check("duplicates", "data", find_duplicates),
    Check("near-duplicates", "data", find_near_duplicates, "thorough"),
    Check("time-or-groups", "data", find_time_or_groups),
    Check("no-validation", "data", find_no_validation),
    Check("small-evaluation", "data", find_small_evaluation),
)

CHECKS: tuple[Check[Any], ...] = (*DATA_CHECKS,)


def slugs() -> tuple[str, ...]:
    """Return the slug of every check, each once, in the order of the checks."""
    return tuple(dict.fromkeys(check.slug for check in CHECKS))
