"""Cleaning that throws away what the classes differ by."""

from collections.abc import Iterator

import numpy as np

from sulsul.doctor.probe import bag_of_ids, bags_encoded, correct_by_cross_validation, sample_rows
from sulsul.doctor.quoting import count, percent, quote, row_numbers
from sulsul.doctor.setup.evidence import SetupEvidence
from sulsul.evaluation.significance import mcnemar
from sulsul.findings import Finding
from sulsul.text import Tokenizer

_FEWEST = 3
_PROBED_TEXTS = 5_000
_CLEAR = 0.005
_REMEDY = "Keep punctuation as tokens: --set text.filter_punctuation=false"


def find_emptied_texts(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find texts of which the tokenizer leaves nothing, such as "!!!" and ":)"."""
    if not _filters(evidence):
        return
    texts, train = evidence.data.texts("train"), evidence.data.train
    has_start = "start" in evidence.specification.text.reserved
    without = (train.full_lengths == int(has_start)) & (texts.str.strip_chars() != "").to_numpy()
    # Texts of unknown words only are as short where the settings reserve no OOV.
    suspects = np.flatnonzero(without)
    counts = evidence.data.tokenizer.encode_with_lengths([texts[int(at)] for at in suspects]).token_counts
    rows = train.rows[suspects[counts == 0]]
    if len(rows) < _FEWEST:
        return
    corpus = evidence.data.corpus
    yield Finding(
        check="cleaning",
        severity="note",
        what=f"{count(len(rows), 'training text')} ({percent(len(rows) / len(texts))}) hold nothing but "
        "punctuation, and the tokenizer removes it all.",
        why="“!!!”, “??” and “:)” say something; the model sees an empty text.",
        remedy=_REMEDY,
        evidence={
            "texts": len(rows),
            "rows": row_numbers(corpus, rows),
            "examples": [quote(corpus.texts[int(row)], 20) for row in rows[:5]],
        },
    )


def find_lost_signal(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find out by a linear probe whether the punctuation that is removed tells the classes apart."""
    if not _filters(evidence) or evidence.class_ids is None:
        return
    rows = sample_rows(evidence.class_ids, _PROBED_TEXTS)
    if not len(rows):
        return
    texts = [evidence.data.texts("train")[int(row)] for row in rows]
    labels = evidence.class_ids[rows]
    settings = evidence.specification.text.model_copy(
        update={"max_length": None, "pad_to": None, "vocabulary_size": max(20_000, 2 * len(texts))}
    )
    right = {}
    for filtered in (True, False):
        tokenizer = Tokenizer.fit(texts, settings.model_copy(update={"filter_punctuation": filtered}))
        right[filtered] = correct_by_cross_validation(bag_of_ids(*bags_encoded(tokenizer, texts)), labels)
    gain = float(right[False].mean() - right[True].mean())
    if gain < _CLEAR or mcnemar(right[False], right[True]).p_value >= 0.05:
        return
    yield Finding(
        check="cleaning",
        severity="warning",
        what=f"Removing punctuation costs {gain * 100:.1f} points: a linear model classifies "
        f"{percent(float(right[False].mean()))} of the training texts correctly with it and "
        f"{percent(float(right[True].mean()))} without.",
        why="Question marks, exclamation marks and smileys tell these classes apart, and the tokenizer deletes them.",
        remedy=_REMEDY,
        evidence={
            "accuracy_with_punctuation": round(float(right[False].mean()), 4),
            "accuracy_without": round(float(np.mean(right[True])), 4),
            "texts": len(rows),
        },
    )


def _filters(evidence: SetupEvidence) -> bool:
    text = evidence.specification.text
    return text.tokenizer == "word" and text.filter_punctuation
