"""Labels <-> class ids."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from sulsul.errors import LabelError

ClassIds = npt.NDArray[np.int64] | npt.NDArray[np.float32]

_MOST_CLASSES = 10_000


@dataclass(frozen=True)
class LabelEncoder:
    """The classes of a task, in the order of their ids.

    Parameters
    ----------
    classes
        Class names, sorted, each once.
    multi_label
        Whether a text may have any number of classes instead of exactly one.

    Raises
    ------
    LabelError
        If there are fewer than two classes for a single-label task, none for a multi-label one, one occurs twice, or
        there are more than 10,000: the table of confusions alone has the square of that.

    Examples
    --------
    >>> encoder = LabelEncoder.fit(["pos", "neg", "pos"])
    >>> encoder.classes, encoder.encode(["neg", "pos"]).tolist()
    (('neg', 'pos'), [0, 1])
    >>> LabelEncoder.fit([["a"], [], ["a", "b"]]).encode([["b"], []]).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """

    classes: tuple[str, ...]
    multi_label: bool = False
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {name: index for index, name in enumerate(self.classes)})
        if len(self._index) != len(self.classes):
            raise LabelError("A class is named twice; name each class once.")
        if len(self.classes) > _MOST_CLASSES:
            raise LabelError(
                f"There are {len(self.classes):,} different labels, and {_MOST_CLASSES:,} classes at most can be told "
                "apart. Is the label column one of ids or texts? Choose another with --label, or --keep-classes."
            )
        fewest = 1 if self.multi_label else 2
        if len(self.classes) < fewest:
            found = f"only {self.classes[0]!r}" if self.classes else "none"
            raise LabelError(
                f"There must be at least {fewest} different label(s) to tell apart; the training labels hold {found}. "
                "Check the label column and the classes that are kept."
            )

    @classmethod
    def fit(cls, labels: pl.Series | Sequence[str] | Sequence[Sequence[str]]) -> "LabelEncoder":
        """Learn the classes of the training labels.

        Parameters
        ----------
        labels
            One string per text, or one list of strings per text for a multi-label task.

        Raises
        ------
        LabelError
            If a label is missing or there are too few classes.
        """
        values = list(labels)
        multi_label = isinstance(labels, pl.Series) and isinstance(labels.dtype, pl.List)
        multi_label = multi_label or any(not isinstance(value, str) and value is not None for value in values)
        names: set[str] = set()
        for position, value in enumerate(values, 1):
            names.update(_names_of(value, multi_label, position))
        return cls(tuple(sorted(names)), multi_label)

    def encode(
        self,
        labels: pl.Series | Sequence[str] | Sequence[Sequence[str]],
        rows: npt.NDArray[np.int64] | None = None,
        *,
        source: str = "the labels",
    ) -> ClassIds:
        """Return class ids, or multi-hot rows for a multi-label task.

        Parameters
        ----------
        labels
            As for :meth:`fit`.
        rows : int64 (B,), optional
            Row numbers to name in errors; by default 1, 2, ...
        source
            The file to name in errors.

        Returns
        -------
        int64 (B,) or float32 (B, C)

        Raises
        ------
        LabelError
            If a label is missing or was not among the training labels; the row and the known classes are named.
        """
        numbers = np.arange(1, len(labels) + 1) if rows is None else rows
        ids = [
            [self._class_id(name, row, source) for name in _names_of(value, self.multi_label, row, source)]
            for value, row in zip(labels, numbers.tolist(), strict=True)
        ]
        if not self.multi_label:
            return np.array([row_ids[0] for row_ids in ids], np.int64)
        hot = np.zeros((len(ids), len(self.classes)), np.float32)
        for position, row_ids in enumerate(ids):
            hot[position, row_ids] = 1.0
        return hot

    def _class_id(self, name: str, row: int, source: str) -> int:
        if name not in self._index:
            known = ", ".join(self.classes[:20]) + (", …" if len(self.classes) > 20 else "")
            raise LabelError(
                f"{source}, row {row}: the label {name!r} does not occur in the training data, so the model cannot "
                f"know it. Known labels: {known}. Correct the row, or keep only known classes."
            )
        return self._index[name]


def _names_of(value: object, multi_label: bool, row: int, source: str = "the labels") -> Iterable[str]:
    if isinstance(value, pl.Series):
        value = value.to_list()
    names = value if multi_label and isinstance(value, list | tuple | set | frozenset) else [value]
    for name in names:
        if name is None:
            raise LabelError(f"{source}, row {row}: the label is missing. Fill it in or leave the row out.")
        if not isinstance(name, str):
            raise LabelError(f"{source}, row {row}: the label {name!r} is not text. Give labels as strings.")
        yield name
