"""How many classes there are, how many were left out, and how unequal they are."""

from collections.abc import Iterator

from sulsul.doctor.data.evidence import DataEvidence
from sulsul.doctor.quoting import count, percent
from sulsul.findings import Finding

_UNEQUAL, _MAJORITY, _RARE = 10.0, 0.8, 20


def find_dropped_classes(evidence: DataEvidence) -> Iterator[Finding]:
    """Find classes that were filtered away."""
    audit = evidence.corpus.audit
    if not audit.n_dropped_by_class:
        return
    n_kept = len(evidence.corpus.class_counts())
    n_all = n_kept + len(audit.dropped_classes)
    said = f"Only {n_kept} of {n_all} classes are used" if audit.dropped_classes else "Not all classes are used"
    share = audit.n_dropped_by_class / max(1, audit.n_rows)
    yield Finding(
        check="dropped-classes",
        severity="warning",
        what=f"{said}: {count(audit.n_dropped_by_class, 'row')} ({percent(share)}) are left out.",
        why="The classifier can never answer the classes left out; on everything that arrives it is worse than its "
        "score says.",
        remedy="Train on all classes (leave out --keep-classes), or say with every score which classes it covers.",
        evidence={
            "classes_used": n_kept,
            "classes": n_all,
            "rows_left_out": audit.n_dropped_by_class,
            "left_out": {str(name): n for name, n in audit.dropped_classes.items()},
        },
    )


def find_imbalance(evidence: DataEvidence) -> Iterator[Finding]:
    """Find classes of very unequal size, and classes too small to learn or to judge."""
    counts = evidence.corpus.class_counts()
    if evidence.corpus.multi_label:
        yield from _find_rare_labels(evidence, counts)
        return
    if len(counts) < 2:
        return
    largest, smallest = next(iter(counts.items())), list(counts.items())[-1]
    total = sum(counts.values())
    rare = {name: n for name, n in counts.items() if n < _RARE and total >= _RARE * len(counts)}
    ratio, majority = largest[1] / smallest[1], largest[1] / total
    if ratio < _UNEQUAL and majority < _MAJORITY and not rare:
        return
    said = f"“{largest[0]}” has {largest[1]:,} texts ({percent(majority)}), “{smallest[0]}” only {smallest[1]:,}"
    if rare:
        said += f"; {count(len(rare), 'class has', 'classes have')} fewer than {_RARE} texts"
    yield Finding(
        check="class-imbalance",
        severity="warning",
        what=said + ".",
        why=f"Always answering “{largest[0]}” is already {percent(majority)} accurate, so accuracy hides what happens "
        "to small classes; and a score on a handful of texts is chance.",
        remedy="Judge by macro-F1 and the table per class; try --set training.class_weight=balanced and "
        "--set training.monitor=val_macro_f1, or collect texts of the small classes.",
        evidence={
            "largest_class": {largest[0]: largest[1]},
            "smallest_class": {smallest[0]: smallest[1]},
            "ratio": round(ratio, 1),
            "rare_classes": dict(list(rare.items())[:20]),
        },
    )


def _find_rare_labels(evidence: DataEvidence, counts: dict[str, int]) -> Iterator[Finding]:
    """Find labels of a multi-label task that few texts have; unequal ones are usual there."""
    rare = {name: n for name, n in counts.items() if n < _RARE}
    if not rare or len(evidence.corpus) < _RARE * len(counts):
        return
    yield Finding(
        check="class-imbalance",
        severity="warning",
        what=f"{count(len(rare), 'label occurs', 'labels occur')} on fewer than {_RARE} of "
        f"{len(evidence.corpus):,} texts.",
        why="A label that nearly no text has is answered “no” and nearly always right, so accuracy hides it; and a "
        "score on a handful of texts is chance.",
        remedy="Judge by macro-F1 and the table per label; try --set training.class_weight=balanced, collect texts of "
        "these labels, or leave them out.",
        evidence={"rare_classes": dict(list(rare.items())[:20]), "texts": len(evidence.corpus)},
    )
