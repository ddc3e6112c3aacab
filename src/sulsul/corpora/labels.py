"""Bringing a label column to class names, and keeping the rows of chosen classes."""

import unicodedata
from collections.abc import Sequence

import polars as pl

from sulsul.errors import DataError

_WHOLE_NUMBER = r"^-?\d+(\.0+)?$"
_ZERO_FRACTION = r"\.0+$"


def clean_labels(column: pl.Series, separator: str | None, *, name: str) -> pl.Series:
    """Return labels as String (null: none given), or as List[String] for a multi-label task.

    Whole numbers lose a zero fraction (1.0 -> "1"), as a missing value elsewhere in a column adds one; labels are
    stripped and brought to NFC. A list column, or a ``separator``, makes the task multi-label; repeated labels of one
    text count once.

    Raises
    ------
    DataError
        If the column holds something that cannot name a class.
    """
    if isinstance(column.dtype, (pl.List, pl.Array)):
        return _tidy_lists(column.cast(pl.List(_named_dtype(column.dtype.inner, column, name))))
    labels = _tidy(_as_names(column, name=name))
    if separator is None:
        return labels
    return _tidy_lists(labels.fill_null("").str.split(separator))


def kept_rows(
    labels: pl.Series, keep: Sequence[str], *, name: str, all_exist: bool = True
) -> tuple[pl.Series, pl.Series]:
    """Return (labels, mask): which rows have one of the classes in ``keep``, and the labels without any other.

    Raises
    ------
    DataError
        If ``all_exist`` and no row has one of the named classes; the message lists the classes that exist.
    """
    wanted = [unicodedata.normalize("NFC", label).strip() for label in keep]
    flat = labels.explode(empty_as_null=True) if isinstance(labels.dtype, pl.List) else labels
    known = set(flat.drop_nulls().unique().to_list())
    if all_exist and (unknown := [label for label in wanted if label not in known]):
        shown = ", ".join(sorted(known)[:50]) or "none"
        raise DataError(f"{name}: no row has the class {', '.join(map(repr, unknown))}; the classes are {shown}.")
    if isinstance(labels.dtype, pl.List):
        labels = labels.list.eval(pl.element().filter(pl.element().is_in(wanted)))
        return labels, labels.list.len() > 0
    return labels, labels.is_in(wanted).fill_null(False)


def _as_names(column: pl.Series, *, name: str) -> pl.Series:
    dtype = column.dtype
    if dtype.is_float():
        column = column.fill_nan(None)
        whole = column.cast(pl.Int64, strict=False)
        if bool((whole == column).fill_null(column.is_null()).all()):
            return whole.cast(pl.String)
        return column.cast(pl.String)
    if dtype == pl.Boolean:
        return column.cast(pl.String)
    if dtype.is_integer() or dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        return column.cast(pl.String)
    raise DataError(f"{name}: label column {column.name!r} holds {dtype}; a label is text or a whole number.")


def _named_dtype(inner: object, column: pl.Series, name: str) -> pl.DataType:
    if isinstance(inner, pl.DataType) and (inner == pl.String or inner.is_integer() or inner == pl.Null):
        return pl.String()
    raise DataError(f"{name}: label column {column.name!r} holds lists of {inner}; they must hold text or numbers.")


def _tidy(labels: pl.Series) -> pl.Series:
    labels = labels.str.strip_chars()
    if not labels.str.contains(r"^[\x00-\x7f]*$").fill_null(True).all():
        labels = labels.str.normalize("NFC")
    labels = labels.set(labels == "", None)
    if labels.str.ends_with("0").any() and labels.str.contains(_WHOLE_NUMBER).fill_null(True).all():
        labels = labels.str.replace(_ZERO_FRACTION, "")
    return labels.alias("label")


def _tidy_lists(labels: pl.Series) -> pl.Series:
    parts = labels.list.eval(pl.element().str.strip_chars().str.normalize("NFC"))
    parts = parts.list.eval(pl.element().filter(pl.element().is_not_null() & (pl.element() != "")))
    return parts.list.unique(maintain_order=True).fill_null([]).alias("label")
