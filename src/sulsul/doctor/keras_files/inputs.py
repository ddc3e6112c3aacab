"""The arrays a Keras model is trained with, from an ``.npz``."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sulsul.corpora.array_archive import Member, PickledArray, read_archive
from sulsul.errors import DataError
from sulsul.report.record import Split

_PARTS: tuple[tuple[Split, str], ...] = (("validation", r"val|dev"), ("test", r"test|eval"), ("train", r""))
_TARGETS = re.compile(r"(^|_)(y|labels?|targets?)(_|$)", re.IGNORECASE)
_POSITIONAL = {"arr_0": "x_train", "arr_1": "y_train", "arr_2": "x_test", "arr_3": "y_test"}


@dataclass(frozen=True, eq=False)
class Inputs:
    """One array of inputs.

    Attributes
    ----------
    shape
        Its shape; (B, None) for sequences of different lengths.
    kind
        ``i`` for integers, ``f`` for floats, ``b`` for booleans.
    values
        The array, or the sequences one after the other where their lengths differ.
    lengths
        int64 (B,) where the lengths differ, else None.
    """

    shape: tuple[int | None, ...]
    kind: str
    values: npt.NDArray[Any]
    lengths: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return self.shape[0] or 0

    @cached_property
    def are_whole(self) -> bool:
        """Whether every value is a whole number, and some are above 1: token ids, not one-hot rows."""
        if not self.values.size or self.kind == "b" or float(self.values.max()) <= 1:
            return False
        return self.kind in "iu" or bool((self.values == np.floor(self.values)).all())

    @cached_property
    def token_ids(self) -> npt.NDArray[np.int64] | None:
        """The inputs as ids: (B, T), or flat for sequences of different lengths; None if they are not tokens."""
        if self.lengths is not None or (self.values.ndim == 2 and self.are_whole):
            return self.values.astype(np.int64)
        if self.values.ndim == 3 and self.values.shape[1] > 1 and self._is_one_hot:
            return np.asarray(self.values.argmax(axis=2), dtype=np.int64)
        return None

    @cached_property
    def _is_one_hot(self) -> bool:
        sample = self.values[: max(1, min(len(self.values), 50))]
        return bool(np.isin(sample, (0, 1)).all() and (sample.sum(axis=2) <= 1).all() and sample.shape[2] > 1)

    @cached_property
    def rows(self) -> list[bytes]:
        """Every text's values as bytes, to compare texts by."""
        if self.lengths is not None:
            return [part.tobytes() for part in np.split(self.values, np.cumsum(self.lengths)[:-1])]
        return [row.tobytes() for row in np.ascontiguousarray(self.values)]


@dataclass(frozen=True, eq=False)
class KerasInputs:
    """Inputs and targets by split."""

    x: dict[Split, Inputs]
    y: dict[Split, npt.NDArray[Any]]


def read_inputs(path: Path) -> KerasInputs:
    """Read ``x_train, y_train, x_val, …``, ``arr_0 … arr_3`` in the order of ``imdb.load_data``, or ``x`` and ``y``.

    Pickled lists of ids are read without running what a pickle asks for.

    Raises
    ------
    DataError
        If it is no such archive, or an array is neither numbers nor lists of whole numbers.
    """
    x: dict[Split, Inputs] = {}
    y: dict[Split, npt.NDArray[Any]] = {}
    for name, member in read_archive(path).items():
        spelt = _POSITIONAL.get(name, name)
        part = next(part for part, pattern in _PARTS if re.search(pattern, spelt, re.IGNORECASE))
        if _TARGETS.search(spelt):
            y.setdefault(part, _targets(member, f"{path}, array {name!r}"))
        else:
            x.setdefault(part, _inputs(member, f"{path}, array {name!r}"))
    if not x:
        raise DataError(f"{path} holds no inputs; name the arrays x_train, y_train, x_test, y_test, or x and y.")
    for part, targets in y.items():
        if part in x and len(x[part]) != len(targets):
            raise DataError(f"{path}: the {part} inputs have {len(x[part])} rows, the targets {len(targets)}.")
    return KerasInputs(x, y)


def _inputs(member: Member, name: str) -> Inputs:
    if isinstance(member, PickledArray):
        rows = member.content
        if not isinstance(rows, list) or not all(
            isinstance(row, list) and set(map(type, row)) <= {int} for row in rows
        ):
            raise DataError(f"{name}: expected numbers, or lists of whole numbers.")
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        flat = np.array([value for row in rows for value in row], dtype=np.int64)
        return Inputs((len(rows), None), "i", flat, lengths)
    if member.ndim < 2 or member.dtype.kind not in "iufb":
        raise DataError(f"{name}: {member.ndim} dimension(s) of {member.dtype}; inputs need (texts, …) numbers.")
    return Inputs(member.shape, member.dtype.kind, member)


def _targets(member: Member, name: str) -> npt.NDArray[Any]:
    if isinstance(member, PickledArray):
        if not isinstance(member.content, list) or not set(map(type, member.content)) <= {int}:
            raise DataError(f"{name}: targets must be numbers.")
        return np.array(member.content, dtype=np.int64)
    if member.ndim not in (1, 2) or member.dtype.kind not in "iufb":
        raise DataError(
            f"{name}: {member.ndim} dimension(s) of {member.dtype}; targets must be (texts,) or (texts, K)."
        )
    return member[:, 0] if member.ndim == 2 and member.shape[1] == 1 else member
