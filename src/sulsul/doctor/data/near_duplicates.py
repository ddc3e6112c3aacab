"""Texts that are nearly the same, by MinHash."""

from collections.abc import Iterator

import numpy as np

from sulsul.doctor.data.evidence import DataEvidence, Rows
from sulsul.doctor.data.minhash import Pairs, similar_pairs
from sulsul.doctor.quoting import count, percent, quote
from sulsul.findings import Finding, Severity

SIMILAR = 0.8
MOST_TEXTS = 300_000
"""Of more distinct texts all that are judged are compared, and as many others, evenly spaced."""
_SERIOUS, _GRAVE = 0.01, 0.2
_SHOWN = 8


def find_near_duplicates(evidence: DataEvidence) -> Iterator[Finding]:
    """Find texts of one class that share four fifths of their letter sequences without being equal."""
    rows, pairs = _pairs_of_distinct_texts(evidence)
    if not len(pairs.first):
        return
    if "train" in evidence.splits and len(evidence.splits) > 1:
        yield from _across_splits(evidence, rows, pairs)
    else:
        yield from _within(evidence, rows, pairs)


def _pairs_of_distinct_texts(evidence: DataEvidence) -> tuple[Rows, Pairs]:
    """Return one position per distinct long text, and the similar pairs of one class among those compared."""
    _, first = np.unique(evidence.key_ids, return_index=True)
    rows = np.sort(first[(evidence.key_ids[first] >= 0) & evidence.is_long[first]]).astype(np.int64)
    if len(rows) > MOST_TEXTS:
        rows = _sample(evidence, rows)
    pairs = similar_pairs(evidence.keys.gather(rows), threshold=SIMILAR)
    # A twin of another class is a trap for a classifier, not a help.
    helps = evidence.answer_ids[rows[pairs.first]] == evidence.answer_ids[rows[pairs.second]]
    return rows, Pairs(pairs.first[helps], pairs.second[helps], pairs.similarity[helps])


def _sample(evidence: DataEvidence, rows: Rows) -> Rows:
    """Return at most :data:`MOST_TEXTS` of the rows: first those that are judged, then others, evenly spaced."""
    train = evidence.splits.get("train", np.arange(len(evidence.corpus)))
    is_other = np.isin(rows, train)
    judged, others = rows[~is_other][:MOST_TEXTS], rows[is_other]
    n_others = MOST_TEXTS - len(judged)
    chosen = others[np.linspace(0, len(others) - 1, n_others).astype(np.int64)] if n_others else others[:0]
    return np.asarray(np.sort(np.concatenate([judged, chosen])), dtype=np.int64)


def _across_splits(evidence: DataEvidence, rows: Rows, pairs: Pairs) -> Iterator[Finding]:
    in_train = np.isin(evidence.key_ids[rows], evidence.key_ids[evidence.splits["train"]])
    other_of = {a: b for a, b in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True) if in_train[b]}
    other_of |= {b: a for a, b in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True) if in_train[a]}
    similar_keys = {int(evidence.key_ids[rows[a]]): b for a, b in other_of.items() if not in_train[a]}
    found = {
        name: [p for p in split.tolist() if int(evidence.key_ids[p]) in similar_keys]
        for name, split in evidence.splits.items()
        if name != "train"
    }
    if not any(found.values()):
        return
    share = max(len(found[name]) / max(1, len(evidence.splits[name])) for name in found)
    said = [
        f"{count(len(positions), f'{name} text')} ({percent(len(positions) / len(evidence.splits[name]))})"
        for name, positions in found.items()
        if positions
    ]
    severity: Severity = "error" if share >= _GRAVE else "warning" if share >= _SERIOUS else "note"
    examples = [
        _example(evidence, position, int(rows[similar_keys[int(evidence.key_ids[position])]]))
        for positions in found.values()
        for position in positions[:_SHOWN]
    ]
    yield Finding(
        check="near-duplicates",
        severity=severity,
        what=f"Nearly the same as a training text of their class: {' and '.join(said)}.",
        why="A text that was nearly seen in training is recognised, not classified: the score is too high.",
        remedy="Put texts of one origin (a template, a thread, a product) into one split: --set split.column=COLUMN.",
        evidence={
            **{f"{name}_texts": len(p) for name, p in found.items()},
            "texts_compared": len(rows),
            "examples": list(examples[:_SHOWN]),
        },
    )


def _within(evidence: DataEvidence, rows: Rows, pairs: Pairs) -> Iterator[Finding]:
    involved = np.unique(np.concatenate([pairs.first, pairs.second]))
    share = len(involved) / len(evidence.corpus)
    examples = [
        _example(evidence, int(rows[a]), int(rows[b]))
        for a, b in zip(pairs.first[:_SHOWN].tolist(), pairs.second[:_SHOWN].tolist(), strict=True)
    ]
    yield Finding(
        check="near-duplicates",
        severity="warning" if share >= _SERIOUS else "note",
        what=f"{count(len(involved), 'text')} ({percent(share)}) are nearly the same as another of their class.",
        why="A random split puts one into training and its twin into the test: it is recognised, not classified.",
        remedy="Put texts of one origin (a template, a thread, a product) into one split: --set split.column=COLUMN.",
        evidence={
            "texts": len(involved),
            "pairs": len(pairs.first),
            "texts_compared": len(rows),
            "examples": list(examples),
        },
    )


def _example(evidence: DataEvidence, first: int, second: int) -> str:
    corpus = evidence.corpus
    return (
        f"row {int(corpus.rows[first])}: {quote(corpus.texts[first], 60)} | "
        f"row {int(corpus.rows[second])}: {quote(corpus.texts[second], 60)}"
    )
