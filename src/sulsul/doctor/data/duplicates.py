"""Texts that occur more than once: across splits, within them, and with different labels."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from sulsul.doctor.data.copied_splits import is_copy
from sulsul.doctor.data.evidence import LONG_KEY, DataEvidence, Rows
from sulsul.doctor.quoting import MOST_ROWS, count, percent, quote, row_numbers
from sulsul.findings import Finding, Severity

_WHY_ACROSS = "A text seen in training is recognised, not classified: the score is higher than it will be on new texts."
_SERIOUS, _GRAVE = 0.01, 0.2


def find_duplicates(evidence: DataEvidence) -> Iterator[Finding]:
    """Find texts that are equal but for case, punctuation and spaces."""
    evaluated = [name for name in evidence.splits if name != "train"]
    if "train" in evidence.splits and evaluated:
        yield from _across_splits(evidence)
    else:
        yield from _within(evidence)


def copies_in_training(evidence: DataEvidence, rows: Rows) -> Rows:
    """Return those of ``rows`` whose text also occurs in the training split."""
    trained_on = np.unique(evidence.key_ids[evidence.splits["train"]])
    keys = evidence.key_ids[rows]
    return np.asarray(rows[(keys >= 0) & np.isin(keys, trained_on)], dtype=np.int64)


def find_conflicting_labels(evidence: DataEvidence) -> Iterator[Finding]:
    """Find equal texts that carry different labels, or different sets of them."""
    usable = np.flatnonzero((evidence.key_ids >= 0) & (evidence.answer_ids >= 0))
    keys, labels = evidence.key_ids[usable], evidence.answer_ids[usable]
    pairs = np.unique(np.stack([keys, labels], axis=1), axis=0)
    ambiguous = np.unique(pairs[:-1, 0][pairs[1:, 0] == pairs[:-1, 0]])
    if not len(ambiguous):
        return
    rows = usable[np.isin(keys, ambiguous)]
    long_rows = rows[evidence.is_long[rows]]
    share = len(rows) / len(evidence.corpus)
    severity: Severity = "warning" if len(long_rows) / len(evidence.corpus) >= _SERIOUS else "note"
    examples = [_positions_of(evidence, int(key)) for key in _longest_keys(evidence, rows)]
    yield Finding(
        check="conflicting-labels",
        severity=severity,
        what=f"{count(len(ambiguous), 'text')} occur with different labels ({count(len(rows), 'row')}, "
        f"{percent(share)} of all; {len(long_rows):,} of them with {LONG_KEY} letters or more).",
        why="No classifier can be right about both: these rows limit every score and teach nothing but doubt.",
        remedy="Look at the rows named and correct or remove them; short ones are often truly ambiguous.",
        evidence={
            "texts": len(ambiguous),
            "rows": len(rows),
            "long_rows": len(long_rows),
            "examples": [_example(evidence, positions) for positions in examples],
        },
    )


def _across_splits(evidence: DataEvidence) -> Iterator[Finding]:
    found = {
        name: copies_in_training(evidence, rows)
        for name, rows in evidence.splits.items()
        if name != "train" and not is_copy(evidence, name, "train")
    }
    n_copies = sum(map(len, found.values()))
    if not n_copies:
        return
    long_share = max(
        float(evidence.is_long[rows].sum()) / max(1, len(evidence.splits[name])) for name, rows in found.items()
    )
    severity: Severity = "error" if long_share >= _GRAVE else "warning" if long_share >= _SERIOUS else "note"
    said = [
        f"{count(len(rows), f'{name} text')} ({percent(len(rows) / len(evidence.splits[name]))})"
        for name, rows in found.items()
        if len(rows)
    ]
    rows = np.concatenate(list(found.values()))
    longest = rows[np.argsort(-evidence.keys.str.len_chars().to_numpy()[rows], kind="stable")][:MOST_ROWS]
    yield Finding(
        check="duplicates",
        severity=severity,
        what=f"Also in the training split, but for case, punctuation or spaces: {' and '.join(said)}.",
        why=_WHY_ACROSS,
        remedy="Remove the copies from the data, or put all copies of a text into one split and name the column that "
        "says so: --set split.column=COLUMN.",
        evidence={
            **{f"{name}_texts": len(rows) for name, rows in found.items()},
            "of_them_long": int(evidence.is_long[rows].sum()),
            "share_of_long": round(long_share, 5),
            "examples": [_example(evidence, _copies(evidence, int(row))) for row in longest],
        },
    )


def _within(evidence: DataEvidence) -> Iterator[Finding]:
    usable = np.flatnonzero(evidence.key_ids >= 0)
    _, first, inverse, counts = np.unique(
        evidence.key_ids[usable], return_index=True, return_inverse=True, return_counts=True
    )
    n_extra = len(usable) - len(first)
    if not n_extra:
        return
    repeated = usable[counts[inverse] > 1]
    is_first = np.zeros(len(evidence.corpus), dtype=np.bool_)
    is_first[usable[first]] = True
    long_extra = repeated[evidence.is_long[repeated] & ~is_first[repeated]]
    share = n_extra / len(evidence.corpus)
    severity: Severity = "warning" if len(long_extra) / len(evidence.corpus) >= _SERIOUS else "note"
    examples = [_positions_of(evidence, int(key)) for key in _longest_keys(evidence, repeated)]
    yield Finding(
        check="duplicates",
        severity=severity,
        what=f"{count(n_extra, 'row')} ({percent(share)}) repeat the text of another row, but for case, punctuation or "
        f"spaces; {len(long_extra):,} of them with {LONG_KEY} letters or more.",
        why="A random split puts copies on both sides. " + _WHY_ACROSS,
        remedy="Remove the copies before splitting, or put all copies of a text into one split (a split column).",
        evidence={
            "copies": n_extra,
            "long_copies": len(long_extra),
            "rows": row_numbers(evidence.corpus, long_extra if len(long_extra) else repeated),
            "examples": [_example(evidence, positions) for positions in examples],
        },
    )


def _longest_keys(evidence: DataEvidence, rows: Rows, limit: int = 5) -> Rows:
    """Return the key ids of the longest texts among ``rows``."""
    keys, first = np.unique(evidence.key_ids[rows], return_index=True)
    lengths = evidence.keys.str.len_chars().to_numpy()[rows[first]]
    return np.asarray(keys[np.argsort(-lengths.astype(np.int64), kind="stable")[:limit]], dtype=np.int64)


def _positions_of(evidence: DataEvidence, key: int) -> Rows:
    return np.flatnonzero(evidence.key_ids == key)


def _copies(evidence: DataEvidence, row: int) -> Rows:
    """Return ``row`` and the training rows of the same text."""
    train = evidence.splits["train"]
    same = train[evidence.key_ids[train] == evidence.key_ids[row]]
    return np.concatenate([[row], same])


def _example(evidence: DataEvidence, positions: Rows) -> str:
    rows = ", ".join(map(str, row_numbers(evidence.corpus, positions, 5)))
    labels = ""
    names = evidence.answers.gather(pl.Series(positions)).drop_nulls().unique().sort().to_list()
    if names:
        labels = f" [{' / '.join(names)}]"
    return f"rows {rows}{labels}: {quote(evidence.corpus.texts[int(positions[0])])}"
