"""The most confidently wrong texts of an evaluation: mislabelled rows and blind spots gather there."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from sulsul.report.record import MistakenText

EXCERPT = 300


def confident_mistakes(
    texts: Sequence[str] | pl.Series,
    y_true: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[str],
    *,
    rows: ArrayLike | None = None,
    ids: Sequence[str] | pl.Series | None = None,
    limit: int = 20,
) -> tuple[MistakenText, ...]:
    """Return the wrongly classified texts with the highest probability of the wrong answer, the highest first.

    For label sets a text's mistake is its label that is furthest from the truth.

    Parameters
    ----------
    texts
        B texts.
    y_true
        Class ids of shape (B,) or multi-hot of shape (B, C).
    probabilities
        Shape (B, C).
    classes
        Names of the C classes.
    rows
        Row numbers of the texts in their source, shape (B,); counted from 1 if not given.
    ids
        Values of the id column.
    limit
        How many to return at most. Texts are cut to 300 characters.
    """
    true, given = np.asarray(y_true), np.asarray(probabilities)
    numbers = np.arange(1, len(true) + 1) if rows is None else np.asarray(rows)
    find = _label_mistakes if true.ndim == 2 else _class_mistakes
    found = find(true, given, classes)
    found.sort(key=lambda mistake: (-mistake[3], mistake[0]))
    return tuple(
        MistakenText(
            row=int(numbers[index]),
            id=None if ids is None or ids[index] is None else str(ids[index]),
            text=excerpt(texts[index]),
            true=true_name,
            predicted=predicted_name,
            probability=probability,
        )
        for index, true_name, predicted_name, probability in found[:limit]
    )


def excerpt(text: str, length: int = EXCERPT) -> str:
    """Return the beginning of a text, with runs of white space as one space and an ellipsis where it was cut."""
    flat = " ".join(text[: 4 * length].split())
    if len(flat) <= length and len(text) <= 4 * length:
        return flat
    return flat[:length].rstrip() + "…"


def _class_mistakes(true: np.ndarray, given: np.ndarray, classes: Sequence[str]) -> list[tuple[int, str, str, float]]:
    predicted = given.argmax(axis=1)
    return [
        (int(i), classes[int(true[i])], classes[int(predicted[i])], float(given[i, predicted[i]]))
        for i in np.flatnonzero(predicted != true)
    ]


def _label_mistakes(true: np.ndarray, given: np.ndarray, classes: Sequence[str]) -> list[tuple[int, str, str, float]]:
    present = true > 0.5
    distance = np.where(present, 1.0 - given, given)
    worst = distance.argmax(axis=1)
    found = []
    for i in np.flatnonzero(distance.max(axis=1) > 0.5):
        name = classes[int(worst[i])]
        names = (name, f"not {name}") if present[i, worst[i]] else (f"not {name}", name)
        found.append((int(i), *names, float(distance[i, worst[i]])))
    return found
