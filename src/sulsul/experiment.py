"""The main job: read, split, encode, train, judge, and leave a bundle with its report."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sulsul.bundle import CONFIG_FILE, Bundle, rows_digest
from sulsul.doctor import check_after, check_before, findings_of_run
from sulsul.errors import DataError, OutputError, SulsulError, TrainingError
from sulsul.evaluation.baselines import BaselineResult, linear_baselines, majority
from sulsul.files import output_error, write_text_atomically
from sulsul.findings import Finding
from sulsul.judging import Judgement, judge, mistakes, paired_with_baselines
from sulsul.model.classifier import Classifier
from sulsul.preparation import PreparedData, prepare
from sulsul.report.curves import curves_svg
from sulsul.report.environment import describe_machine, package_versions
from sulsul.report.lengths import lengths_svg
from sulsul.report.page import render_report
from sulsul.report.record import EpochRow, RunRecord, Split, TrainingSummary
from sulsul.specification import RunSpecification
from sulsul.summaries import data_summary, model_summary, text_summary
from sulsul.text import Tokenizer
from sulsul.text.vectors import read_vectors
from sulsul.training import TrainingResult, train_classifier
from sulsul.training.checkpoint import CHECKPOINT_NAME, load_checkpoint
from sulsul.training.history import EpochRecord, history_to_csv
from sulsul.training.run import BatchReport

SPECIFICATION_FILE = "specification.toml"
_HEADLINE_ORDER: tuple[Split, ...] = ("test", "validation", "train")


@dataclass(frozen=True)
class Listener:
    """What is called while an experiment runs; each may be left out."""

    on_prepared: Callable[[PreparedData, Classifier], object] = lambda data, classifier: None
    on_findings: Callable[[tuple[Finding, ...]], object] = lambda findings: None
    on_batch: Callable[[BatchReport], object] = lambda report: None
    on_epoch: Callable[[EpochRecord], object] = lambda record: None
    on_baselines: Callable[[], object] = lambda: None
    stop_requested: Callable[[], bool] = lambda: False


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an experiment left: its record, the trained classifier, and the data it was judged on."""

    record: RunRecord
    bundle: Bundle
    data: PreparedData
    judgements: dict[Split, Judgement]


def run_experiment(
    specification: RunSpecification,
    folder: Path,
    *,
    command: str,
    baselines: bool = True,
    resume: bool = False,
    listener: Listener | None = None,
) -> Outcome:
    """Run one specification and write everything into ``folder``.

    Parameters
    ----------
    specification
        Data, split, text, model and training.
    folder
        Where the bundle goes. It must not exist, unless ``resume`` finds the checkpoint of this run in it.
    command
        The command that repeats the run, for the report.
    baselines
        Whether to fit the linear baselines too.
    resume
        Continue from the checkpoint in ``folder``.
    listener
        Called while the run goes on.

    Raises
    ------
    SulsulError
        As reading, training and writing do. A folder that the run created and left empty is removed again.
    """
    listener = listener or Listener()
    _check_folder(folder, resume=resume)
    data = prepare(specification)
    classifier = build_classifier(specification, data)
    listener.on_prepared(data, classifier)
    before = check_before(data, specification, classifier)
    listener.on_findings(before.findings)
    created = _create(folder)
    try:
        write_text_atomically(folder / SPECIFICATION_FILE, specification.to_toml())
        result = _train(specification, data, classifier, folder, resume=resume, listener=listener)
        if not result.history:
            raise TrainingError(f"the run was interrupted before its first epoch ended; {_how_to_resume(folder)}")
        judgements = {
            name: judge(classifier, split.encoded, data.labels.classes, seed=specification.training.seed)
            for name, split in data.splits.items()
        }
        fitted: list[BaselineResult] = []
        if result.stopped != "interrupted":
            listener.on_baselines()
            fitted = _fit_baselines(specification, data, linear=baselines)
        record = _record(specification, data, classifier, result, judgements, fitted, command)
        probabilities = {name: judged.probabilities for name, judged in judgements.items()}
        after = check_after(record, data, specification, probabilities)
        record = record.model_copy(update={"findings": findings_of_run(before.findings, after.findings)})
        bundle = Bundle(classifier, data.tokenizer, data.labels, specification, provenance(data))
        _save(bundle, record, result, folder)
    except SulsulError:
        if created:
            _remove_if_worthless(folder)
        raise
    return Outcome(record, bundle, data, judgements)


def build_classifier(specification: RunSpecification, data: PreparedData) -> Classifier:
    """Return the classifier of a specification with its initial weights.

    Raises
    ------
    SpecificationError
        If the network cannot be built.
    """
    return Classifier(
        specification.model,
        vocabulary_size=data.tokenizer.vocabulary_size,
        n_classes=len(data.labels.classes),
        multi_label=data.labels.multi_label,
        pad_to=specification.text.pad_to,
        seed=specification.training.seed,
        vectors=_vectors(specification, data.tokenizer),
        backend=specification.training.backend,
    )


def _vectors(specification: RunSpecification, tokenizer: Tokenizer) -> npt.NDArray[np.float32] | None:
    """Read the word vectors that the specification names, if it does."""
    settings = specification.model.input
    if settings.kind != "embedding" or settings.vectors is None:
        return None
    path = Path(settings.vectors)
    try:
        with path.open(encoding="utf-8") as lines:
            found = read_vectors(lines, tokenizer.vocabulary(), source=str(path), seed=specification.training.seed)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text (byte {error.start} of a block); vectors are read as text."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    return found.matrix


def _check_folder(folder: Path, *, resume: bool) -> None:
    if resume:
        if not (folder / CHECKPOINT_NAME).exists():
            state = "is finished" if (folder / CONFIG_FILE).exists() else "holds no checkpoint"
            raise OutputError(f"{folder} cannot be resumed: it {state}.")
    elif folder.exists():
        raise OutputError(f"{folder} exists already; choose another folder, or --resume to continue its run.")


def _create(folder: Path) -> bool:
    try:
        created = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    return created


def _remove_if_worthless(folder: Path) -> None:
    """Remove a folder in which nothing is worth keeping: no checkpoint and no classifier."""
    if not (folder / CHECKPOINT_NAME).exists() and not (folder / CONFIG_FILE).exists():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def _how_to_resume(folder: Path) -> str:
    if (folder / CHECKPOINT_NAME).exists():
        return f"repeat the command with -o {folder} --resume to continue it."
    return "nothing was kept."


def _train(
    specification: RunSpecification,
    data: PreparedData,
    classifier: Classifier,
    folder: Path,
    *,
    resume: bool,
    listener: Listener,
) -> TrainingResult:
    checkpoint = folder / CHECKPOINT_NAME
    validation = data.splits.get("validation")
    return train_classifier(
        classifier,
        data.train.encoded,
        None if validation is None else validation.encoded,
        specification.training,
        classes=data.labels.classes,
        on_epoch=listener.on_epoch,
        on_batch=listener.on_batch,
        stop_requested=listener.stop_requested,
        checkpoint_path=checkpoint,
        resume_from=load_checkpoint(checkpoint) if resume else None,
    )


def _headline(data: PreparedData) -> Split:
    return next(split for split in _HEADLINE_ORDER if split in data.splits)


def _class_ids(data: PreparedData, split: Split) -> npt.NDArray[Any]:
    class_ids = data.splits[split].encoded.class_ids
    assert class_ids is not None
    return class_ids


def _fit_baselines(specification: RunSpecification, data: PreparedData, *, linear: bool) -> list[BaselineResult]:
    headline = _headline(data)
    truth, n_classes = _class_ids(data, headline), len(data.labels.classes)
    fitted = [majority(_class_ids(data, "train"), truth, n_classes=n_classes)]
    if linear:
        fitted += linear_baselines(
            data.texts("train"),
            _class_ids(data, "train"),
            data.texts(headline),
            truth,
            n_classes=n_classes,
            seed=specification.training.seed,
        )
    return fitted


def _record(
    specification: RunSpecification,
    data: PreparedData,
    classifier: Classifier,
    result: TrainingResult,
    judgements: dict[Split, Judgement],
    fitted: list[BaselineResult],
    command: str,
) -> RunRecord:
    headline, classes = _headline(data), data.labels.classes
    judgement = judgements[headline]
    n_seen = len(data.train.rows) * len(result.history)
    return RunRecord(
        kind="train",
        title=f"{specification.name} on {Path(data.corpus.source).name}",
        command=command,
        versions=package_versions(),
        machine=describe_machine(threads=specification.training.threads),
        seed=specification.training.seed,
        settings=specification.model_dump(mode="json"),
        data=data_summary(data.corpus, data.labels, data.splits, note=data.split_note),
        text=text_summary(data.tokenizer, data.splits),
        model=model_summary(classifier, specification.name),
        training=TrainingSummary(
            history=tuple(EpochRow.model_validate(row) for row in result.history),
            best_epoch=result.best_epoch,
            kept_epoch=result.kept_epoch,
            stopped=result.stopped,
            monitor=result.monitored,
            seconds=result.seconds,
            docs_per_s=n_seen / result.seconds if result.seconds else None,
        ),
        evaluations={name: judged.evaluation for name, judged in judgements.items()},
        baselines=tuple(result.scores for result in fitted),
        paired=paired_with_baselines(
            specification.name, judgement, _class_ids(data, headline), fitted, seed=specification.training.seed
        ),
        mistakes=mistakes(data.corpus, data.splits[headline], judgement, classes),
    )


def provenance(data: PreparedData) -> dict[str, Any]:
    """Return what ties a bundle to its data, for ``config.json``."""
    return {
        "source": data.corpus.source,
        "fingerprint": data.corpus.fingerprint,
        "rows_sha256": {name: rows_digest(split.rows) for name, split in data.splits.items()},
        "rows": {name: len(split.rows) for name, split in data.splits.items()},
        "training_class_counts": np.atleast_1d(_class_counts(data)).tolist(),
    }


def _class_counts(data: PreparedData) -> npt.NDArray[np.int64]:
    train = _class_ids(data, "train")
    counts = train.sum(axis=0) if train.ndim == 2 else np.bincount(train, minlength=len(data.labels.classes))
    return np.asarray(counts, dtype=np.int64)


def _save(bundle: Bundle, record: RunRecord, result: TrainingResult, folder: Path) -> None:
    """Write the bundle over an interrupted one, if there is one; a finished run needs no checkpoint any more."""
    files = {
        "metrics.json": json.dumps(record.model_dump(mode="json"), ensure_ascii=False, indent=1),
        "history.csv": history_to_csv(result.history),
        "report.html": render_report(record),
    }
    if record.training is not None:
        files["curves.svg"] = curves_svg(record.training, title=record.title)
    if record.text is not None and record.text.lengths is not None:
        files["lengths.svg"] = lengths_svg(record.text.lengths, title=record.title)
    (folder / CONFIG_FILE).unlink(missing_ok=True)
    bundle.save(folder, extra_files={name: text.encode("utf-8") for name, text in files.items()})
    if result.stopped != "interrupted":
        (folder / CHECKPOINT_NAME).unlink(missing_ok=True)
