"""Predictions of a whole source, streamed: read a block, classify it, write it, forget it."""

import csv
import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict

from sulsul import __version__
from sulsul.corpora import Corpus, DataSettings, iter_texts
from sulsul.errors import DataError, OutputError, UsageError
from sulsul.files import replacing
from sulsul.predictor import Prediction, Predictor
from sulsul.resumable_output import resumable_output

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


class ReachedRow(BaseModel):
    """A place in a source: behind a row, with a digest of all texts and ids up to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: int = 0
    sha256: str = ""

    def after(self, corpus: Corpus) -> "ReachedRow":
        """Return the place behind the texts that follow this one."""
        ids = None if corpus.ids is None else corpus.ids.to_list()
        content = json.dumps([self.sha256, corpus.texts.to_list(), ids]).encode()
        return ReachedRow(row=int(corpus.rows[-1]), sha256=hashlib.sha256(content).hexdigest())


def predict_source(predictor: Predictor, settings: DataSettings) -> Iterator[PredictedRow]:
    """Classify every text of a source, block by block, so that memory does not grow with it.

    Raises
    ------
    DataError
        As reading does, possibly after earlier rows were yielded.
    """
    for corpus in iter_texts(settings, _BLOCK_ROWS):
        yield from _predict_block(predictor, corpus)


def _predict_block(predictor: Predictor, corpus: Corpus) -> list[PredictedRow]:
    identifiers = [None] * len(corpus) if corpus.ids is None else corpus.ids.to_list()
    predictions = predictor.predict(corpus.texts.to_list())
    return [PredictedRow(*found) for found in zip(corpus.rows.tolist(), identifiers, predictions, strict=True)]


def predict_to_file(
    predictor: Predictor,
    settings: DataSettings,
    output: Path,
    *,
    format: Format,
    abstain: bool = False,
    resume: bool = False,
) -> None:
    """Classify every text of a source and write a line each, as :func:`write_predictions` does, to a file.

    If the process ends early, what it wrote stays beside ``output``, and ``resume`` goes on there: the file becomes the
    one, to the byte, that one call would have written. The texts answered before are read again, and compared.

    Parameters
    ----------
    settings
        The source: not standard input, which cannot be read again. The id column is written if it is named.
    resume
        Go on where an earlier call with the same arguments stopped; from the first row where there was none.

    Raises
    ------
    DataError
        As reading does, or if texts that were answered before are others now.
    UsageError, OutputError
        As :func:`write_predictions`, and :func:`sulsul.resumable_output.resumable_output`.
    """
    if abstain and predictor.abstention is None:
        raise UsageError(_no_threshold(predictor))
    task = _task(predictor, settings, format=format, abstain=abstain)
    with resumable_output(output, task, ReachedRow, resume=resume) as (partial, begun):
        blocks = iter_texts(settings, _BLOCK_ROWS)
        reached = ReachedRow() if begun is None else _skip_answered(blocks, begun, settings)
        first = next(blocks, None)
        write = _line_writer(
            partial.text, predictor, format, with_ids=settings.id is not None, abstain=abstain, header=begun is None
        )
        for corpus in () if first is None else chain([first], blocks):
            for row in _predict_block(predictor, corpus):
                write(row)
            reached = reached.after(corpus)
            partial.reached(reached)


def _task(predictor: Predictor, settings: DataSettings, *, format: Format, abstain: bool) -> str:
    """Return a digest of all that decides the lines written for given texts."""
    parts = [__version__, predictor.bundle.digest(), settings.model_dump(mode="json"), format, abstain, _BLOCK_ROWS]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _skip_answered(blocks: Iterator[Corpus], begun: ReachedRow, settings: DataSettings) -> ReachedRow:
    """Read the blocks that were answered before, and require that they are the same."""
    reached = ReachedRow()
    while reached.row < begun.row and (corpus := next(blocks, None)) is not None:
        reached = reached.after(corpus)
    if reached != begun:
        raise DataError(
            f"{settings.source}: the first {begun.row:,} rows are not those that were answered, so the predictions "
            "cannot be resumed. Bring the source back to what it was, or remove the partial file to begin anew."
        )
    return reached


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
        write = _line_writer(file, predictor, format, with_ids=with_ids, abstain=abstain)
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


def _line_writer(
    file: IO[str], predictor: Predictor, format: Format, *, with_ids: bool, abstain: bool, header: bool = True
) -> Callable[[PredictedRow], None]:
    if format == "jsonl":
        return _jsonl_writer(file, predictor, with_ids, abstain)
    return _csv_writer(file, predictor, with_ids, abstain, header=header)


def _csv_writer(
    file: IO[str], predictor: Predictor, with_ids: bool, abstain: bool, *, header: bool
) -> Callable[[PredictedRow], None]:
    writer = csv.writer(file, lineterminator="\n")
    if header:
        writer.writerow(_columns(predictor, with_ids, abstain))

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


def _columns(predictor: Predictor, with_ids: bool, abstain: bool) -> list[str]:
    return [
        "row",
        *(["id"] if with_ids else []),
        "labels" if predictor.multi_label else "label",
        *(["abstained"] if abstain else []),
        "probability",
        *(f"p({name})" for name in predictor.classes),
    ]


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
