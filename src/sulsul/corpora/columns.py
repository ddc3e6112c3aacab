"""Which columns hold the texts, the labels and the ids: as named, or guessed and said so."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from sulsul.corpora.settings import DataSettings
from sulsul.errors import DataError, UsageError

Labels = Literal["required", "partial", "optional", "ignored"]
"""Every row must have a label; a column of them must be there; they are read if it is; or none are wanted."""

_TITLES = ("title", "subject", "headline", "제목")
_BODIES = (
    "text", "document", "review", "sentence", "content", "body", "comment", "message", "question", "description",
    "내용", "본문", "문장", "문서", "리뷰", "텍스트", "질문",
)  # fmt: skip
_LABELS = (
    "label", "labels", "category", "class", "target", "sentiment", "topic",
    "분류", "라벨", "레이블", "카테고리", "감성", "감정",
)  # fmt: skip
_IDS = ("id", "번호")
# By type: a class column repeats few values, a text column holds long ones.
_MOST_CLASSES, _CLASS_SHARE, _TEXT_CHARACTERS = 50, 0.2, 20


@dataclass(frozen=True)
class ColumnChoice:
    """The columns to read; ``guess`` says in words what was not named but guessed."""

    text: tuple[str, ...]
    label: str | None
    id: str | None
    split: str | None
    guess: str | None

    @property
    def all(self) -> list[str]:
        """Every column to read, once each."""
        named = [*self.text, self.label, self.id, self.split]
        return list(dict.fromkeys(name for name in named if name is not None))


def choose_columns(
    schema: Mapping[str, pl.DataType],
    head: pl.DataFrame | None,
    settings: DataSettings,
    *,
    name: str,
    labels: Labels = "required",
    split: str | None = None,
) -> ColumnChoice:
    """Return the columns that the settings name, and guess the text and label column where they name none.

    Parameters
    ----------
    schema
        The columns of the source.
    head
        Its first rows, looked at only if the names decide nothing; None: not at all.
    name
        The source, for messages.
    labels
        Whether a label column must be found (``required``, ``partial``), may be found, or is not wanted.
    split
        A column that must also be there.

    Raises
    ------
    DataError
        If a named column does not exist; the message lists those that do.
    UsageError
        If several columns could be meant, or none; the message says which options to give.
    """
    for column, option in _named(settings, split, labels):
        if column not in schema:
            raise DataError(f"{name}: there is no column {column!r} ({option}); there are {_listed(schema)}.")
    label, said_label = settings.label, None
    if labels == "ignored":
        label = None
    elif label is None:
        label, said_label = _guess_label(schema, head, settings, name=name, required=labels in {"required", "partial"})
    text, said_text = settings.text, None
    if not text:
        free = [column for column in schema if column not in {label, settings.id, split}]
        text, said_text = _guess_text(free, schema, head, name=name)
    found_id = settings.id or next((column for column in schema if column.lower() in _IDS), None)
    if found_id in text or found_id == label:
        found_id = settings.id
    said = "; ".join(part for part in (said_text, said_label) if part)
    return ColumnChoice(text, label, found_id, split, said or None)


def _named(settings: DataSettings, split: str | None, labels: Labels) -> Iterable[tuple[str, str]]:
    yield from ((column, "--text") for column in settings.text)
    if settings.label is not None and labels in {"required", "partial"}:
        yield settings.label, "--label"
    if settings.id is not None:
        yield settings.id, "--id"
    if split is not None:
        yield split, "the split column"


def _guess_label(
    schema: Mapping[str, pl.DataType], head: pl.DataFrame | None, settings: DataSettings, *, name: str, required: bool
) -> tuple[str | None, str | None]:
    taken = {*settings.text, settings.id}
    free = [column for column in schema if column not in taken]
    found = [column for column in free if column.strip().lower() in _LABELS]
    how = "name"
    plain = [column for column in free if column.strip().lower() not in (*_IDS, *_BODIES, *_TITLES)]
    if not found and head is not None and required:
        found, how = [column for column in plain if _repeats_few_values(head[column])], "few distinct values"
    if len(found) == 1:
        return found[0], f"label column {found[0]!r} (by its {how})"
    if not required:
        return None, None
    what = "several columns could hold the label" if found else "no column looks like the label"
    raise UsageError(
        f"{name}: {what}; give it with {_options('--label', found or plain)}. There are {_listed(schema)}."
    )


def _guess_text(
    free: Sequence[str], schema: Mapping[str, pl.DataType], head: pl.DataFrame | None, *, name: str
) -> tuple[tuple[str, ...], str]:
    titles = [column for column in free if column.strip().lower() in _TITLES]
    bodies = [column for column in free if column.strip().lower() in _BODIES]
    if len(bodies) == 1 and len(titles) <= 1:
        text = (*titles, *bodies)
        return text, f"text column {' + '.join(map(repr, text))} (by name)"
    if len(titles) == 1 and not bodies:
        return (titles[0],), f"text column {titles[0]!r} (by name)"
    found = bodies or titles
    if not found and head is not None:
        found = [column for column in free if _holds_long_texts(head[column])]
        if len(found) == 1:
            return (found[0],), f"text column {found[0]!r} (the only one with long texts)"
    what = "several columns could hold the text" if found else "no column looks like the text"
    raise UsageError(
        f"{name}: {what}; give it with {_options('--text', found or list(free))}"
        f"{' or several joined by commas' if len(found) > 1 else ''}. There are {_listed(schema)}."
    )


def _repeats_few_values(column: pl.Series) -> bool:
    if column.dtype.is_nested() or column.dtype.is_float() or column.dtype.is_temporal() or not column.len():
        return False
    n_distinct = column.n_unique()
    return 2 <= n_distinct < column.len() and n_distinct <= min(_MOST_CLASSES, max(2.0, _CLASS_SHARE * column.len()))


def _holds_long_texts(column: pl.Series) -> bool:
    if column.dtype != pl.String:
        return False
    mean = column.str.len_chars().mean()
    return isinstance(mean, float) and mean >= _TEXT_CHARACTERS and column.n_unique() > 0.5 * column.len()


def _options(option: str, columns: Sequence[str]) -> str:
    return " or ".join(f"{option} {column}" for column in columns[:6]) or option


def _listed(schema: Mapping[str, object]) -> str:
    return "the columns " + ", ".join(map(repr, schema)) if schema else "no columns"
