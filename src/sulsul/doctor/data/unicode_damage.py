"""Text that was stored or read in the wrong form: broken encodings, separate letters, invisible characters."""

from collections.abc import Iterator

import polars as pl

from sulsul.doctor.data.evidence import DataEvidence
from sulsul.doctor.quoting import count, percent, quote
from sulsul.findings import Finding

_SAMPLE = 5_000
_SERIOUS = 0.001
_COMMON = 0.01
# (written as, read as): what turned the text into this, undone by encoding it back.
_MISREADINGS = (("utf-8", "cp1252"), ("utf-8", "latin-1"), ("utf-8", "cp949"), ("cp949", "latin-1"))


def find_broken_encoding(evidence: DataEvidence) -> Iterator[Finding]:
    """Find replacement characters, and texts that an encoding read wrongly ("Ã©", "ÇÑ±Û")."""
    audit, texts = evidence.corpus.audit, evidence.corpus.texts
    foreign = texts.to_frame("text").with_row_index("position").filter(pl.col("text").str.contains(r"[^\x00-\x7f]"))
    sample = foreign.gather_every(max(1, foreign.height // _SAMPLE))
    misread = [
        (int(position), text, repaired)
        for position, text in sample.iter_rows()
        if (repaired := undo_misreading(text)) is not None
    ]
    share = len(misread) / max(1, sample.height)
    n_replaced = audit.n_replacement_character
    if share < _SERIOUS and not n_replaced:
        return
    said = []
    if share >= _SERIOUS:
        said.append(f"{percent(share)} of the texts that are not plain ASCII were read in the wrong encoding")
    if n_replaced:
        said.append(f"{count(n_replaced, 'text')} hold the replacement character U+FFFD")
    serious = share >= _SERIOUS or n_replaced / max(1, audit.n_texts) >= _SERIOUS
    yield Finding(
        check="broken-encoding",
        severity="warning" if serious else "note",
        what=" and ".join(said) + ".",
        why="The words are lost: a tokenizer sees letters that nobody wrote.",
        remedy="Read the original again in its true encoding (--encoding cp949 or utf-8), and write it as UTF-8.",
        evidence={
            "share_misread": round(share, 5),
            "texts_with_replacement_character": n_replaced,
            "examples": [
                f"row {int(evidence.corpus.rows[p])}: {_where_foreign(text)} (meant: {_where_foreign(meant)})"
                for p, text, meant in misread[:5]
            ],
        },
    )


def find_unusual_characters(evidence: DataEvidence) -> Iterator[Finding]:
    """Find decomposed letters, invisible characters and full-width forms."""
    audit = evidence.corpus.audit
    counted = {
        "not in composed form (NFC)": audit.n_not_nfc,
        "with zero-width characters": audit.n_zero_width,
        "with full-width letters or marks": audit.n_full_width,
    }
    present = {what: n for what, n in counted.items() if n}
    if not present:
        return
    uncomposed = (audit.n_zero_width + audit.n_full_width) / max(1, audit.n_texts)
    yield Finding(
        check="unusual-characters",
        severity="warning" if uncomposed >= _COMMON else "note",
        what="; ".join(f"{count(n, 'text')} {what}" for what, n in present.items()) + ".",
        why="What looks the same becomes different tokens. sulsul composes every text (NFC), also when it predicts; "
        "zero-width and full-width characters it keeps as they are.",
        remedy="Remove zero-width characters and write full-width forms as plain ones (NFKC), if they are not meant, "
        "before training and before predicting."
        if uncomposed
        else "Nothing to do in sulsul; other programs need unicodedata.normalize('NFC', text).",
        evidence={what.split(" (")[0].replace(" ", "_"): n for what, n in present.items()},
    )


def undo_misreading(text: str) -> str | None:
    """Return what a text was before it was decoded by the wrong encoding, None where it was not.

    Only a text whose every character fits is taken for misread: the bytes of arbitrary letters are hardly ever valid
    UTF-8. Where they may be (two-byte encodings), Korean must come out.

    Examples
    --------
    >>> undo_misreading("cafÃ©"), undo_misreading("ÇÑ±Û °Ë»ö"), undo_misreading("café"), undo_misreading("한글")
    ('café', '한글 검색', None, None)
    """
    for written, read in _MISREADINGS:
        try:
            meant = text.encode(read).decode(written)
        except (UnicodeEncodeError, UnicodeDecodeError):
            continue
        if meant != text and (read == "cp1252" or (written, read) == ("utf-8", "latin-1") or _is_korean(text, meant)):
            return meant
    return None


def _is_korean(text: str, meant: str) -> bool:
    """Whether several syllables come out, and hardly a letter of the text is plain: it is not there by accident."""
    hangul = sum("\uac00" <= character <= "\ud7a3" for character in meant)
    plain = sum(character.isascii() and character.isalpha() for character in text)
    return hangul >= 3 and hangul >= plain


def _where_foreign(text: str) -> str:
    """Quote a text from shortly before its first character that is not ASCII."""
    first = next((at for at, character in enumerate(text) if not character.isascii()), 0)
    return quote(text[max(0, first - 8) :], 40)
