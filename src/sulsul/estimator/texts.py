"""What a caller may hand over as ``X``: any one-dimensional collection of strings."""

from typing import Any

import numpy as np

from sulsul.errors import InputError


def checked_texts(X: Any) -> list[str]:
    """Return the texts as a list.

    Parameters
    ----------
    X
        A list or tuple of str, a one-dimensional NumPy array, or a pandas or Polars series.

    Raises
    ------
    InputError
        If it is one bare string, bytes, not one-dimensional, or holds anything but strings; the position and what to do
        are named.

    Examples
    --------
    >>> checked_texts(np.array(["so good", ""]))
    ['so good', '']
    """
    if isinstance(X, str | bytes):
        raise InputError("X is one bare string where several texts are expected; put it in a list: [text].")
    _require_one_dimension(X)
    try:
        texts = list(X)
    except TypeError:
        raise InputError(
            f"X is a {type(X).__name__}, not a collection of texts; give a list, array or series of str."
        ) from None
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"X[{position}] is {_shown(text)}, not a string. {_advice(text)}")
    return [str(text) for text in texts]  # numpy.str_ becomes str


def _require_one_dimension(X: Any) -> None:
    """Refuse tables, matrices and mappings, whose elements are not texts."""
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) != 1:
        columns = getattr(X, "columns", None)
        advice = "pass the text column, such as table['text']" if columns is not None else "pass a flat list of texts"
        raise InputError(f"X has the shape {tuple(shape)}, but texts are one-dimensional; {advice}.")
    if isinstance(X, dict | set | frozenset):
        raise InputError(
            f"X is a {type(X).__name__}, which has no order of texts; give a list, array or series of str."
        )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _advice(value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)) or type(value).__name__ in {"NAType", "NaTType"}:
        return "It is a missing value: fill it with '' (an empty text is legal) or leave the row out."
    if isinstance(value, bytes):
        return "Decode bytes first, for example with .decode('utf-8')."
    if isinstance(value, list | tuple):
        return "Give whole texts, not tokens: the classifier cuts them itself."
    return "Give every text as a str."
