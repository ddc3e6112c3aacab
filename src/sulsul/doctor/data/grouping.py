"""Columns that say which rows belong together: dates, authors, products, threads."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import polars as pl

from sulsul.corpora.reading import open_table
from sulsul.corpora.sources import resolve_source
from sulsul.doctor.data.evidence import DataEvidence
from sulsul.findings import Finding

_DATE_NAMES = (
    "date", "time", "created", "posted", "published", "timestamp", "year", "month",
    "날짜", "일자", "일시", "작성일", "등록일", "시간",
)  # fmt: skip
_GROUP_NAMES = (
    "user", "author", "customer", "writer", "session", "thread", "conversation", "dialog", "product", "item", "group",
    "speaker", "patient", "url", "domain", "작성자", "사용자", "회원", "고객", "상품", "세션", "대화", "그룹",
)  # fmt: skip
_DATE = r"^\s*\d{4}[-./년]\s?\d{1,2}[-./월]\s?\d{1,2}"
_FEWEST_GROUPS, _SMALLEST_GROUP, _PURE = 20, 1.5, 0.9
_MOST_ROWS = 50_000

Kind = Literal["time", "group"]


def find_time_or_groups(evidence: DataEvidence) -> Iterator[Finding]:
    """Find columns by which rows depend on each other, where the rows are divided at random."""
    split = evidence.split_settings
    if split.column or split.test_source or evidence.corpus.split_values is not None:
        return
    for name, column in _other_columns(evidence).items():
        kind = _kind_of(name, column, evidence)
        if kind is not None:
            yield _finding(name, column, kind)


def _other_columns(evidence: DataEvidence) -> dict[str, pl.Series]:
    """Return the columns of the source that are neither text nor label, cut to the first rows."""
    audit = evidence.corpus.audit
    used = {*audit.text_columns, audit.label_column, audit.id_column, audit.split_column}
    names = [name for name in audit.columns if name not in used]
    if not names or evidence.settings.source is None:
        return {}
    source = resolve_source(evidence.settings)
    if source.remote or source.format in ("folder", "npz"):
        return {}
    with open_table(source, source.paths[0], evidence.settings) as table:
        frame = table.read([*names], _MOST_ROWS).frame
    return {name: frame[name] for name in names}


def _kind_of(name: str, column: pl.Series, evidence: DataEvidence) -> Kind | None:
    present = column.drop_nulls()
    if len(present) < _FEWEST_GROUPS or column.dtype.is_nested():
        return None
    if column.dtype.is_temporal():
        return "time"
    if column.dtype == pl.String:
        dated = float(present.head(200).str.contains(_DATE).mean() or 0.0)  # type: ignore[arg-type]
        if dated >= 0.9:
            return "time"
    if any(word in name.lower() for word in _DATE_NAMES) and column.dtype.is_numeric() and present.n_unique() > 2:
        return "time"
    n_groups = present.n_unique()
    if n_groups < _FEWEST_GROUPS or len(present) / n_groups < _SMALLEST_GROUP or column.dtype.is_float():
        return None
    named = any(word in name.lower() for word in _GROUP_NAMES)
    return "group" if named or _labels_follow(column, evidence) else None


def _labels_follow(column: pl.Series, evidence: DataEvidence) -> bool:
    """Whether rows of one group nearly always share their label, though the groups are small."""
    rows = evidence.corpus.rows - 1
    usable = (rows < len(column)) & (evidence.class_ids >= 0)
    if not usable.any() or len(column.unique()) <= 4 * len(evidence.classes):
        return False
    frame = pl.DataFrame({"group": column.gather(rows[usable]), "label": evidence.class_ids[usable]}).drop_nulls()
    sizes = frame.group_by("group").agg(pl.len().alias("n"), pl.col("label").mode().first().alias("mode"))
    joined = frame.join(sizes.filter(pl.col("n") >= 2), on="group")
    if joined.height < _FEWEST_GROUPS:
        return False
    purity = float((joined["label"] == joined["mode"]).mean() or 0.0)  # type: ignore[arg-type]
    shares = np.bincount(evidence.class_ids[usable]) / usable.sum()
    return purity >= _PURE and purity - float(shares.max()) >= 0.2


def _finding(name: str, column: pl.Series, kind: Kind) -> Finding:
    present = column.drop_nulls()
    if kind == "time":
        return Finding(
            check="time-or-groups",
            severity="note",
            what=f"The column “{name}” holds times, and the rows are divided at random.",
            why="A model used tomorrow is trained on yesterday. If the texts change with time, a random split tells it "
            "the future and the score is too high.",
            remedy="Divide by time: add a column that says train, validation and test by date, and give "
            "--set split.column=COLUMN.",
            evidence={"column": name, "first": str(present[0]), "last": str(present[-1])},
        )
    n_groups = present.n_unique()
    return Finding(
        check="time-or-groups",
        severity="warning",
        what=f"The column “{name}” puts the {len(present):,} rows into {n_groups:,} groups, and the rows are divided "
        "at random.",
        why="Rows of one group (an author, a product, a thread) resemble each other: with some in training the others "
        "are recognised, and the score is too high for new groups.",
        remedy="Keep each group in one split: add a column that says train, validation and test by group, and give "
        "--set split.column=COLUMN.",
        evidence={"column": name, "groups": n_groups, "rows_per_group": round(len(present) / n_groups, 1)},
    )
