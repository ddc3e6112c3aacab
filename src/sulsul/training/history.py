"""What each epoch brought, as records and as a CSV file."""

import csv
import io
from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sulsul.errors import BundleError


class EpochRecord(BaseModel):
    """One row of the history.

    ``loss`` and ``accuracy`` are means over the texts of the epoch, taken while the weights were changing and with
    dropout and class weights applied, as Keras reports them; the ``val_`` figures are taken after the epoch, without
    either, and are None without a validation split. ``learning_rate`` is that of the epoch's last step.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int = Field(ge=1)
    loss: float
    accuracy: float
    val_loss: float | None = None
    val_accuracy: float | None = None
    val_macro_f1: float | None = None
    learning_rate: float
    seconds: float

    @classmethod
    def of_training(
        cls, epoch: int, *, loss: float, accuracy: float = 0.0, learning_rate: float = 0.0, seconds: float = 0.0
    ) -> Self:
        """Return the record of an epoch without validation."""
        return cls(epoch=epoch, loss=loss, accuracy=accuracy, learning_rate=learning_rate, seconds=seconds)


COLUMNS = tuple(EpochRecord.model_fields)
"""The columns of ``history.csv``, in order."""


def history_to_csv(history: Sequence[EpochRecord]) -> str:
    """Return CSV text with one line per epoch; floats are written so that they read back exactly.

    Examples
    --------
    >>> print(history_to_csv([EpochRecord(epoch=1, loss=0.1, accuracy=1.0, learning_rate=1e-3, seconds=2.5)]), end="")
    epoch,loss,accuracy,val_loss,val_accuracy,val_macro_f1,learning_rate,seconds
    1,0.1,1.0,,,,0.001,2.5
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in history:
        # None becomes an empty field; repr of a Python float is the shortest text that reads back to the same bits.
        writer.writerow("" if value is None else repr(value) for value in record.model_dump().values())
    return buffer.getvalue()


def history_from_csv(text: str, *, where: str = "history.csv") -> list[EpochRecord]:
    """Read what :func:`history_to_csv` wrote.

    Parameters
    ----------
    text
        The CSV text.
    where
        Name of the file, for messages.

    Raises
    ------
    BundleError
        If the columns are not :data:`COLUMNS`, or a row is malformed; names the row.
    """
    rows = list(csv.reader(io.StringIO(text)))
    if not rows or tuple(rows[0]) != COLUMNS:
        raise BundleError(f"{where}: the first line must be {','.join(COLUMNS)}.")
    records = []
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(COLUMNS):
            raise BundleError(f"{where}, row {number}: {len(COLUMNS)} fields are needed, not {len(row)}.")
        try:
            values = {column: field or None for column, field in zip(COLUMNS, row, strict=True)}
            records.append(EpochRecord.model_validate(values))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise BundleError(f"{where}, row {number}, column {first['loc'][0]}: {first['msg']}.") from None
    return records
