"""Predictions of a whole source, streamed: read a block, classify it, write it, forget it."""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Literal

from sulsul.corpora import DataSettings, iter_texts
from sulsul.errors import OutputError, UsageError
from sulsul.files import replacing
from sulsul.predictor import Prediction, Predictor

Format = Literal["csv", "jsonl"]
_BLOCK_ROWS = 4096


@dataclass(frozen=True)
class PredictedRow:
    """A prediction and where its text stands: row number from 1 on, and the id column where one was named."""

    row: int
    identifier: str | None
    prediction: Prediction


def predict_strings(predictor: Predictor, texts: Sequence[str]) -> Iterator[PredictedRow]:
    """Classify strings that were given directly."""
    for row, prediction in enumerate(predictor.predict(texts), 1):
        yield PredictedRow(row, None, prediction)


def predict_source(predictor: Predictor, settings: DataSettings) -> Iterator[PredictedRow]:
    """Classify every text of a source, block by block, so that memory does not grow with it.

    Raises
    ------
    DataError
        As reading does, possibly after earlier rows were yielded.
    """
    for corpus in iter_texts(settings, _BLOCK_ROWS):
        identifiers = [None] * len(corpus) if corpus.ids is None else corpus.ids.to_list()
        predictions = predictor.predict(corpus.texts.to_list())
        for row, identifier, prediction in zip(corpus.rows.tolist(), identifiers, predictions, strict=True):
            yield PredictedRow(row, identifier, prediction)


def write_predictions(
    rows: Iterable[PredictedRow],
    predictor: Predictor,
    *,
    with_ids: bool,
    output: Path | None,
    format: Format,
    abstain: bool = False,
) -> None:
    """Write a line per prediction.

    CSV has the columns row, id (if asked for), label, probability and one per class; JSON Lines the same keys, with
    the classes under ``probabilities``. A multi-label task has ``labels`` instead, joined by ``|`` in CSV.

    Parameters
    ----------
    output
        The file, which appears only when it is complete; None for standard output.
    abstain
        Give no label where the answer is less sure than the stored threshold asks; a further column ``abstained``
        (true or false) says which. An empty label is none, null in JSON Lines.

    Raises
    ------
    UsageError
        If ``abstain`` is asked for and no threshold is stored.
    OutputError
        If the file cannot be written.
    """
    if abstain and predictor.abstention is None:
        raise UsageError(_no_threshold(predictor))
    remaining = iter(rows)
    first = next(remaining, None)  # so that a source which cannot be read leaves no header behind
    with _open_output(output) as file:
        write = (_csv_writer if format == "csv" else _jsonl_writer)(file, predictor, with_ids, abstain)
        for row in () if first is None else chain([first], remaining):
            write(row)


def _no_threshold(predictor: Predictor) -> str:
    wanted = predictor.bundle.specification.calibration.abstain_precision
    if wanted is None:
        return (
            "--abstain: this classifier has no threshold; train it with --set calibration.abstain_precision=0.95, "
            "or whatever share of right answers is wanted."
        )
    return (
        f"--abstain: no confidence reached a precision of {wanted:g} on the validation texts, so no threshold was "
        "stored; train with a lower calibration.abstain_precision, or with more validation texts."
    )


@contextmanager
def _open_output(output: Path | None) -> Iterator[IO[str]]:
    if output is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    if output.is_dir():
        raise OutputError(f"{output} is a folder; name a file for the predictions.")
    with replacing(output) as binary:
        file = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        yield file
        file.flush()
        file.detach()


def _csv_writer(file: IO[str], predictor: Predictor, with_ids: bool, abstain: bool) -> Callable[[PredictedRow], None]:
    writer = csv.writer(file, lineterminator="\n")
    label = "labels" if predictor.multi_label else "label"
    writer.writerow(
        [
            "row",
            *(["id"] if with_ids else []),
            label,
            *(["abstained"] if abstain else []),
            "probability",
            *(f"p({name})" for name in predictor.classes),
        ]
    )

    def write(row: PredictedRow) -> None:
        numbers = [f"{value:.6f}" for value in (row.prediction.probability, *row.prediction.probabilities)]
        withheld = abstain and row.prediction.abstained
        writer.writerow(
            [
                row.row,
                *([row.identifier] if with_ids else []),
                "" if withheld else "|".join(row.prediction.labels),
                *([str(withheld).lower()] if abstain else []),
                *numbers,
            ]
        )

    return write


def _jsonl_writer(file: IO[str], predictor: Predictor, with_ids: bool, abstain: bool) -> Callable[[PredictedRow], None]:
    def write(row: PredictedRow) -> None:
        answer = row.prediction
        probabilities = [round(value, 6) for value in answer.probabilities]
        values = {
            "row": row.row,
            **({"id": row.identifier} if with_ids else {}),
            **_labels(answer, predictor, withheld=bool(abstain and answer.abstained)),
            **({"abstained": answer.abstained} if abstain else {}),
            "probability": round(answer.probability, 6),
            "probabilities": dict(zip(predictor.classes, probabilities, strict=True)),
        }
        file.write(json.dumps(values, ensure_ascii=False) + "\n")

    return write


def _labels(answer: Prediction, predictor: Predictor, *, withheld: bool) -> dict[str, object]:
    if predictor.multi_label:
        return {"labels": None if withheld else answer.labels}
    return {"label": None if withheld else answer.labels[0]}
