"""How much of the texts is cut away, and whether the better half is kept."""

from collections.abc import Iterator

import numpy as np

from sulsul.doctor.probe import bag_of_ids, bags_encoded, correct_by_cross_validation, sample_rows
from sulsul.doctor.quoting import percent
from sulsul.doctor.setup.evidence import SetupEvidence
from sulsul.evaluation.significance import mcnemar
from sulsul.findings import Finding
from sulsul.text import Tokenizer

_MUCH, _VERY_MUCH = 0.1, 0.2
_PROBED_TEXTS = 5_000
_CLEAR = 0.01


def find_truncation(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find settings that cut away a good part of the texts."""
    limit = evidence.specification.text.max_length
    lengths = evidence.data.train.full_lengths
    if limit is None or not len(lengths):
        return
    cut = float((lengths > limit).mean())
    lost = float(np.maximum(lengths - limit, 0).sum() / max(1, int(lengths.sum())))
    if cut < _MUCH and lost < _MUCH:
        return
    yield Finding(
        check="truncation",
        severity="warning" if lost >= _VERY_MUCH else "note",
        what=f"{percent(cut)} of the texts are cut at {limit} tokens, and {percent(lost)} of all tokens are lost.",
        why="The decisive sentence may stand in the part that is cut away: reviews often conclude at their end.",
        remedy=f"Keep more (--set text.max_length={_rounded(np.percentile(lengths, 95))} holds 95 % of the texts), or "
        f"cut the other end (--set text.truncate={_other_side(evidence)}).",
        evidence={
            "texts_cut": round(cut, 4),
            "tokens_lost": round(lost, 4),
            "max_length": limit,
            "p95_length": int(np.percentile(lengths, 95)),
        },
    )


def find_wrong_side_cut(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find out by a linear probe whether the end that is cut away tells more than the end that is kept."""
    text, class_ids = evidence.specification.text, evidence.class_ids
    if text.max_length is None or class_ids is None:
        return
    if float((evidence.data.train.full_lengths > text.max_length).mean()) < _MUCH:
        return
    rows = sample_rows(class_ids, _PROBED_TEXTS)
    if not len(rows):
        return
    whole_settings = text.model_copy(update={"max_length": None, "pad_to": None})
    whole = Tokenizer.from_json(evidence.data.tokenizer.to_json(), whole_settings)
    ids, offsets, size = bags_encoded(whole, [evidence.data.texts("train")[int(row)] for row in rows])
    sides = {"front": _cut(ids, offsets, text.max_length, keep="end"), "back": _cut(ids, offsets, text.max_length)}
    right = {side: correct_by_cross_validation(bag_of_ids(*cut, size), class_ids[rows]) for side, cut in sides.items()}
    both = correct_by_cross_validation(bag_of_ids(ids, offsets, size), class_ids[rows])
    other = _other_side(evidence)
    gain = float(right[other].mean() - right[text.truncate].mean())
    if gain < _CLEAR or mcnemar(right[other], right[text.truncate]).p_value >= 0.05:
        return
    yield Finding(
        check="truncation-side",
        severity="warning",
        what=f"The wrong end is cut: by the {'last' if other == 'front' else 'first'} {text.max_length} tokens a "
        f"linear model classifies {gain * 100:.1f} points more training texts correctly than by the "
        f"{'first' if other == 'front' else 'last'}.",
        why="What is cut away tells more about the class than what is kept.",
        remedy=f"--set text.truncate={other}, or keep more: --set text.max_length="
        f"{_rounded(np.percentile(evidence.data.train.full_lengths, 95))}",
        evidence={
            "accuracy_of_the_beginning": round(float(right["back"].mean()), 4),
            "accuracy_of_the_end": round(float(right["front"].mean()), 4),
            "accuracy_of_the_whole": round(float(both.mean()), 4),
            "texts": len(rows),
        },
    )


def _cut(
    ids: np.ndarray, offsets: np.ndarray, length: int, *, keep: str = "beginning"
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first or last ``length`` ids of every sequence."""
    lengths = np.diff(offsets)
    step = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    if keep == "end":
        step = np.repeat(lengths, lengths) - 1 - step
    kept = step < length
    return ids[kept], np.concatenate([[0], np.cumsum(np.minimum(lengths, length))])


def _other_side(evidence: SetupEvidence) -> str:
    return "front" if evidence.specification.text.truncate == "back" else "back"


def _rounded(length: float) -> int:
    return int(np.ceil(length / 10.0) * 10)
