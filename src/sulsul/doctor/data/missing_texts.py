"""Rows without a text, and missing values that some program wrote out as a word."""

from collections.abc import Iterator

from sulsul.doctor.data.evidence import DataEvidence
from sulsul.doctor.quoting import percent, row_numbers
from sulsul.findings import Finding

_NAN_TEXT = r"^\s*(?i:nan|null|none|<na>)\s*$"
_SERIOUS = 0.001


def find_missing_texts(evidence: DataEvidence) -> Iterator[Finding]:
    """Find texts that are missing, empty, or read "nan"."""
    audit, texts = evidence.corpus.audit, evidence.corpus.texts
    n_without = audit.n_missing + audit.n_empty
    if not (n_without or audit.n_nan_text):
        return
    empty = (texts.str.strip_chars() == "").arg_true().to_numpy()
    worded = texts.str.contains(_NAN_TEXT).arg_true().to_numpy()
    said = []
    if n_without:
        said.append(f"{n_without:,} texts are missing or empty")
    if audit.n_nan_text:
        said.append(f"{audit.n_nan_text:,} read “nan”, “null” or “none”")
    share = (n_without + audit.n_nan_text) / max(1, audit.n_rows)
    yield Finding(
        check="missing-texts",
        severity="warning" if share >= _SERIOUS else "note",
        what=f"{' and '.join(said)} ({percent(share)} of the rows).",
        why="Such a row teaches its label for no reason at all; the word “nan” even becomes a word of the vocabulary.",
        remedy="Remove these rows, or fill the texts in. sulsul reads an empty text as a sequence of no tokens.",
        evidence={
            "missing": audit.n_missing,
            "empty": audit.n_empty,
            "nan_words": audit.n_nan_text,
            "rows_without_text": row_numbers(evidence.corpus, empty),
            "rows_reading_nan": row_numbers(evidence.corpus, worded),
        },
    )
