"""Joining text columns, bringing them to NFC, and counting what looks wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import polars as pl

from sulsul.errors import DataError

# Characters that NFC may change: combining marks, conjoining jamo, and the blocks of singletons and compositions.
_MAY_NOT_BE_NFC = (
    r"[\p{M}\x{0958}-\x{095f}\x{09dc}-\x{09df}\x{0a33}-\x{0a5e}\x{0b5c}\x{0b5d}\x{0f43}-\x{0f69}"
    r"\x{0340}-\x{0345}\x{0374}\x{037e}\x{0387}\x{1100}-\x{11ff}\x{1f71}-\x{1fff}\x{2000}\x{2001}"
    r"\x{2126}-\x{212b}\x{2329}\x{232a}\x{2adc}\x{f900}-\x{faff}\x{fb1d}-\x{fb4f}\x{11099}-\x{11abf}"
    r"\x{1d15e}-\x{1d1c0}\x{2f800}-\x{2fa1d}]"
)
_ZERO_WIDTH = r"[\x{200b}\x{200c}\x{200d}\x{2060}\x{feff}]"
_FULL_WIDTH = r"[\x{ff01}-\x{ff5e}]"
_NAN_TEXT = r"^\s*(?i:nan|null|none|<na>)\s*$"
_NON_ASCII = r"[^\x00-\x7f]"


@dataclass(frozen=True)
class TextCounts:
    """What was counted in some texts; counts of consecutive blocks add up."""

    n_empty: int = 0
    n_missing: int = 0
    n_nan_text: int = 0
    n_not_nfc: int = 0
    n_zero_width: int = 0
    n_full_width: int = 0
    n_replacement_character: int = 0

    def __add__(self, other: Self) -> "TextCounts":
        names = [field.name for field in fields(self)]
        return TextCounts(**{name: getattr(self, name) + getattr(other, name) for name in names})


def join_texts(frame: pl.DataFrame, columns: Sequence[str], *, name: str) -> tuple[pl.Series, TextCounts]:
    """Return the texts of a table as one NFC column and what was counted in them.

    Of several columns each is a line of its own, a missing cell counting as the empty string; only the last may hold
    further line breaks, so that the columns can be told apart. Where every cell is missing or empty the text is empty.

    Raises
    ------
    DataError
        If a column holds something other than text.
    """
    cells = [_as_text(frame[column], name=name) for column in columns]
    n_missing = int(_all([cell.is_null() for cell in cells]).sum())
    n_nan_text = int(_any([cell.str.contains(_NAN_TEXT) for cell in cells]).sum())
    filled = [cell.fill_null("") for cell in cells]
    texts = filled[0]
    if len(filled) > 1:
        lines = [*(cell.str.replace_all(r"[\r\n]+", " ") for cell in filled[:-1]), filled[-1]]
        parts = [line.alias(str(position)) for position, line in enumerate(lines)]
        texts = pl.DataFrame(parts).select(pl.concat_str(pl.all(), separator="\n")).to_series()
        if (nothing := _all([cell == "" for cell in filled])).any():
            texts = texts.zip_with(~nothing, pl.Series([""]))
    texts, n_not_nfc = to_nfc(texts.alias("text"))
    return texts, _count(texts, n_missing=n_missing, n_nan_text=n_nan_text, n_not_nfc=n_not_nfc)


def to_nfc(texts: pl.Series) -> tuple[pl.Series, int]:
    """Return the texts in Unicode normalisation form C, and how many were not.

    Only texts with a character that NFC could change are normalised: on 150,000 Korean reviews that is 0.02 s
    instead of 0.2 s.
    """
    suspects = texts.str.contains(_MAY_NOT_BE_NFC)
    if not suspects.any():
        return texts, 0
    before = texts.filter(suspects)
    after = before.str.normalize("NFC")
    n_changed = int((before != after).sum())
    if n_changed:
        texts = texts.scatter(suspects.arg_true(), after)
    return texts, n_changed


def _count(texts: pl.Series, *, n_missing: int, n_nan_text: int, n_not_nfc: int) -> TextCounts:
    short = texts.filter(texts.str.len_bytes() < 64)
    n_empty = int((short.str.strip_chars() == "").sum()) + int(
        (texts.filter(texts.str.len_bytes() >= 64).str.contains(r"\S") == False).sum()  # noqa: E712
    )
    wide = texts.filter(texts.str.contains(_NON_ASCII))
    return TextCounts(
        n_empty=n_empty - n_missing,
        n_missing=n_missing,
        n_nan_text=n_nan_text,
        n_not_nfc=n_not_nfc,
        n_zero_width=int(wide.str.contains(_ZERO_WIDTH).sum()),
        n_full_width=int(wide.str.contains(_FULL_WIDTH).sum()),
        n_replacement_character=int(wide.str.contains("\ufffd", literal=True).sum()),
    )


def _as_text(column: pl.Series, *, name: str) -> pl.Series:
    if column.dtype == pl.String:
        return column
    if column.dtype in (pl.Categorical, pl.Enum, pl.Null):
        return column.cast(pl.String)
    raise DataError(f"{name}: column {column.name!r} holds {column.dtype}, not text. Choose a text column with --text.")


def _all(masks: Sequence[pl.Series]) -> pl.Series:
    result = masks[0]
    for mask in masks[1:]:
        result = result & mask
    return result


def _any(masks: Sequence[pl.Series]) -> pl.Series:
    result = masks[0]
    for mask in masks[1:]:
        result = result | mask
    return result
