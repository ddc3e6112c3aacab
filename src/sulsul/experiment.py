"""The main job: read, split, encode, train, judge, and leave a bundle with its report."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.bundle import CONFIG_FILE, Bundle, rows_digest
from sulsul.choices import settle
from sulsul.corpora import Splits, read_splits
from sulsul.doctor import check_after, check_before, findings_of_run
from sulsul.encoder import ENCODER_FILE, Encoder, read_encoder
from sulsul.ensemble import Ensemble
from sulsul.errors import DataError, InterruptedRunError, OutputError, SpecificationError, SulsulError
from sulsul.evaluation.baselines import BaselineResult, LinearBaseline, judge_linear_baseline, majority
from sulsul.evaluation.significance import PairedComparison
from sulsul.files import create_folder, is_leftover, remove_leftovers, write_text_atomically
from sulsul.findings import Finding
from sulsul.fitting import (
    FittedEnsemble,
    build_classifier,
    fit_ensemble,
    fit_linear_baselines,
    fit_wide_part,
    history_files,
)
from sulsul.judging import Judgement, judge, judge_parts, mistakes, paired_with_baselines
from sulsul.model.classifier import Classifier
from sulsul.preparation import PreparedData, PreparedSplit
from sulsul.pretraining import PretrainingListener, check_can_pretrain, pretrain, texts_beside
from sulsul.report.curves import curves_svg
from sulsul.report.environment import describe_machine, package_versions
from sulsul.report.lengths import lengths_svg
from sulsul.report.page import render_report
from sulsul.report.record import AnswerSummary, EpochRow, RunRecord, Split, TrainingSummary
from sulsul.specification import RunSpecification
from sulsul.streamed import RunData, prepare_run
from sulsul.summaries import data_summary, model_summary, text_summary
from sulsul.training import MembersListener, TrainingResult
from sulsul.training.checkpoint import CHECKPOINT_NAME
from sulsul.training.history import EpochRecord
from sulsul.training.run import BatchReport
from sulsul.training.workers import Workers

SPECIFICATION_FILE = "specification.toml"
ENCODER_FOLDER = "encoder"
"""Where in a run's folder the encoder is that it made first."""
_HEADLINE_ORDER: tuple[Split, ...] = ("test", "validation", "train")


@dataclass(frozen=True)
class Listener:
    """What is called while an experiment runs; each may be left out."""

    on_stage: Callable[[str], object] = lambda message: None
    on_chosen: Callable[[tuple[str, ...]], object] = lambda reasons: None
    on_prepared: Callable[[RunData, Classifier], object] = lambda data, classifier: None
    on_findings: Callable[[tuple[Finding, ...]], object] = lambda findings: None
    on_batch: Callable[[BatchReport], object] = lambda report: None
    on_epoch: Callable[[EpochRecord], object] = lambda record: None
    on_member: Callable[[int, int], object] = lambda member, n_members: None
    on_baselines: Callable[[], object] = lambda: None
    stop_requested: Callable[[], bool] = lambda: False
    pretraining: PretrainingListener | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an experiment left: its record, the trained classifier, and the data it was judged on."""

    record: RunRecord
    bundle: Bundle
    data: RunData
    judgements: dict[Split, Judgement]
    interrupted: bool = False


def run_experiment(
    specification: RunSpecification,
    folder: Path,
    *,
    command: str,
    baselines: bool = True,
    resume: bool = False,
    listener: Listener | None = None,
    cache: Path | None = None,
    workers: Workers | None = None,
) -> Outcome:
    """Run one specification and write everything into ``folder``.

    Parameters
    ----------
    specification
        Data, split, text, model and training.
    folder
        Where the bundle goes. It must not exist, unless ``resume`` is given.
    command
        The command that repeats the run, for the report.
    baselines
        Whether to fit the linear baselines too.
    resume
        Continue from the checkpoint in ``folder``; from the beginning if the run was killed before its first one. An
        encoder in it, finished or not, is gone on with as well.
    listener
        Called while the run goes on.
    cache
        Where a corpus that does not fit into memory is kept; see :func:`sulsul.cache.cache_folder`.
    workers
        The processes that train together, of which this is the first; the others
        :func:`sulsul.distributed.assisting.assist_experiment`.

    Raises
    ------
    SulsulError
        As reading, training and writing do. A folder that the run created and left empty is removed again.
    """
    listener = listener or Listener()
    check_folder(folder, resume=resume)
    encoder = _pretrained(specification, folder, resume=resume, listener=listener, workers=workers)
    data = prepare_run(specification, cache=cache, report=listener.on_stage, encoder=encoder)
    data = _with_unlabelled(specification, data, listener)
    specification, chosen = settle(specification, data.facts)
    classifier = build_classifier(specification, data)
    listener.on_prepared(data, classifier)
    listener.on_chosen(chosen)
    before = check_before(data.sample, specification, classifier)
    listener.on_findings(before.findings)
    created = create_folder(folder)
    try:
        write_text_atomically(folder / SPECIFICATION_FILE, specification.to_toml())
        linear = _fit_linear(specification, data.sample, listener) if specification.wide.kind == "linear" else ()
        wide = fit_wide_part(specification, data.sample, linear)
        fitted = _fit(specification, data, classifier, wide, folder, resume=resume, listener=listener, workers=workers)
        if not fitted.results[0].history:
            raise InterruptedRunError(f"the run was interrupted before its first epoch ended; {_how_to_resume(folder)}")
        judgements, parts = _judge(specification, data, fitted.ensemble)
        # On a sample, the baselines are compared with the classifier's answers to the same texts.
        on_sample = judgements
        if data.sample is not data:
            on_sample, _ = _judge(specification, data.sample, fitted.ensemble)
        judged_baselines: list[BaselineResult] = []
        if fitted.stopped != "interrupted":
            if baselines and not linear:
                linear = _fit_linear(specification, data.sample, listener)
            judged_baselines = _judge_baselines(data.sample, linear if baselines else ())
        paired = _paired(specification, data.sample, on_sample, judged_baselines)
        record = _record(specification, data, fitted, judgements, parts, command)
        record = record.model_copy(
            update={
                "baselines": tuple(result.scores for result in judged_baselines),
                "paired": paired,
                "chosen": chosen,
            }
        )
        probabilities = {name: judged.probabilities for name, judged in on_sample.items()}
        after = check_after(record, data.sample, specification, probabilities)
        found = findings_of_run([*before.findings, *_sampled(data)], after.findings)
        record = record.model_copy(update={"findings": found})
        bundle = Bundle(fitted.ensemble, data.tokenizer, data.labels, specification, provenance(data))
        _save(bundle, record, fitted, folder)
    except SulsulError:
        if created:
            _remove_if_worthless(folder)
        raise
    return Outcome(record, bundle, data, judgements, interrupted=fitted.stopped == "interrupted")


def check_folder(folder: Path, *, resume: bool) -> None:
    """Refuse a folder that cannot take the run, and clear away what a killed writer left in one that can.

    Raises
    ------
    OutputError
        If it cannot.
    """
    if not resume:
        if folder.exists():
            raise OutputError(f"{folder} exists already; choose another folder, or --resume to continue its run.")
        return
    if not folder.is_dir():
        raise OutputError(f"{folder} cannot be resumed: there is no such folder; leave --resume out to begin.")
    finished = (folder / CONFIG_FILE).exists() and not (folder / CHECKPOINT_NAME).exists()
    if not finished and not (folder / CHECKPOINT_NAME).exists() and not _only_begun(folder):
        raise OutputError(f"{folder} cannot be resumed: it holds no checkpoint.")
    remove_leftovers(folder)
    if finished:
        _remove_members(folder)
        raise OutputError(f"{folder} cannot be resumed: it is finished.")


def _only_begun(folder: Path) -> bool:
    """Return whether a folder is what a run leaves that is killed before its first checkpoint."""
    begun = {SPECIFICATION_FILE, ENCODER_FOLDER}
    return folder.is_dir() and all(path.name in begun or is_leftover(path) for path in folder.iterdir())


def _pretrained(
    specification: RunSpecification, folder: Path, *, resume: bool, listener: Listener, workers: Workers | None
) -> Encoder | None:
    """Return the encoder made of the run's own training texts and those without labels, if the run asks for one."""
    if not specification.pretraining.makes_encoder:
        return None
    if workers is not None:
        raise SpecificationError(
            "pretraining.unlabelled: several processes do not pretrain; run `sulsul pretrain` first, and start from "
            "what it makes with --pretrained."
        )
    check_can_pretrain(specification)
    own = folder / ENCODER_FOLDER
    if (own / ENCODER_FILE).exists():
        return read_encoder(own, specification)
    corpus, splits = read_splits(specification.data, specification.split, drop_without_label=True)
    texts = texts_beside(specification, corpus, splits)
    return pretrain(specification, texts, own, resume=resume and own.exists(), listener=listener.pretraining).encoder


def _with_unlabelled(specification: RunSpecification, data: RunData, listener: Listener) -> RunData:
    """Return the data with the texts that virtual adversarial training reads, if the run asks for any.

    Raises
    ------
    DataError
        If a file cannot be read, or every text in it is one to train or to judge on.
    """
    if not (specification.training.virtual_adversarial and specification.pretraining.unlabelled):
        return data
    assert isinstance(data, PreparedData)  # nothing that asks for unlabelled texts is streamed
    rows = {name: split.rows for name, split in data.splits.items()}
    none = np.zeros(0, np.int64)
    splits = Splits(rows["train"], rows.get("validation", none), rows.get("test", none), data.split_note)
    found = texts_beside(specification, data.corpus, splits)
    texts = found.texts.slice(found.sources[0][1])  # the labelled ones come first, and are in every step anyway
    if not len(texts):
        raise DataError(
            "pretraining.unlabelled: no text is left that the run does not train or judge on; name other files, or "
            "none."
        )
    listener.on_stage(f"virtual adversarial training also reads {len(texts):,} texts without labels")
    encoded = data.tokenizer.encode_with_lengths(texts)
    return replace(data, unlabelled=EncodedCorpus(encoded.token_ids, encoded.offsets, types=encoded.types))


def _remove_if_worthless(folder: Path) -> None:
    """Remove a folder in which nothing is worth keeping: no checkpoint, no classifier and no encoder."""
    kept = (CHECKPOINT_NAME, CONFIG_FILE, ENCODER_FOLDER)
    if folder.exists() and not any((folder / name).exists() for name in kept):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def _how_to_resume(folder: Path) -> str:
    if (folder / CHECKPOINT_NAME).exists():
        return f"repeat the command with -o {folder} --resume to continue it."
    return "nothing was kept."


def _headline(data: RunData) -> Split:
    return next(split for split in _HEADLINE_ORDER if split in data.splits)


def _fit_linear(specification: RunSpecification, data: PreparedData, listener: Listener) -> tuple[LinearBaseline, ...]:
    listener.on_baselines()
    return fit_linear_baselines(specification, data)


def _fit(
    specification: RunSpecification,
    data: RunData,
    classifier: Classifier,
    wide: LinearBaseline | None,
    folder: Path,
    *,
    resume: bool,
    listener: Listener,
    workers: Workers | None,
) -> FittedEnsemble:
    return fit_ensemble(
        specification,
        data,
        lambda member: classifier if member == 0 else build_classifier(specification, data, member=member),
        wide=wide,
        listener=MembersListener(listener.on_member, listener.on_epoch, listener.on_batch, listener.stop_requested),
        folder=folder,
        resume=resume,
        workers=workers,
    )


def _judge(
    specification: RunSpecification, data: RunData, ensemble: Ensemble
) -> tuple[dict[Split, Judgement], AnswerSummary | None]:
    """Judge the whole answer on every split, and its parts on the one that counts."""
    classes, seed, headline = data.labels.classes, specification.training.seed, _headline(data)
    judgements, parts = {}, None
    for name, split in data.judged.items():
        texts = data.judged_texts(name)
        if name == headline and not ensemble.is_plain:
            judgements[name], parts = judge_parts(ensemble, split.encoded, texts, classes, seed=seed)
        else:
            judgements[name] = judge(ensemble, split.encoded, texts, classes, seed=seed)
    return judgements, parts


def _sampled(data: RunData) -> tuple[Finding, ...]:
    """Say which figures are of a part of the texts."""
    if data.sample_note is None:
        return ()
    return (
        Finding(
            check="sampled",
            severity="note",
            what=f"The corpus is kept on disk, and some figures are of a part of it: {data.sample_note}.",
            why="A linear baseline that is fitted on fewer texts than the network may do worse than it could.",
            remedy="Where memory allows, train with --set data.streaming=false: then everything is of all texts.",
            evidence={
                "texts": len(data.corpus),
                "sampled": {name: len(split.rows) for name, split in data.sample.splits.items()},
                "judged": {name: len(split.rows) for name, split in data.judged.items()},
            },
        ),
    )


def _paired(
    specification: RunSpecification,
    data: PreparedData,
    judgements: dict[Split, Judgement],
    baselines: list[BaselineResult],
) -> tuple[PairedComparison, ...]:
    headline = _headline(data)
    truth = _class_ids(data.splits[headline])
    seed = specification.training.seed
    return paired_with_baselines(specification.name, judgements[headline], truth, baselines, seed=seed)


def _class_ids(split: PreparedSplit) -> npt.NDArray[Any]:
    class_ids = split.encoded.class_ids
    assert class_ids is not None
    return class_ids


def _judge_baselines(data: PreparedData, linear: Sequence[LinearBaseline]) -> list[BaselineResult]:
    headline = _headline(data)
    truth, n_classes = _class_ids(data.splits[headline]), len(data.labels.classes)
    texts = data.texts(headline)
    return [
        majority(_class_ids(data.train), truth, n_classes=n_classes),
        *(judge_linear_baseline(model, texts, truth, n_classes=n_classes) for model in linear),
    ]


def _record(
    specification: RunSpecification,
    data: RunData,
    fitted: FittedEnsemble,
    judgements: dict[Split, Judgement],
    answer: AnswerSummary | None,
    command: str,
) -> RunRecord:
    headline, classes = _headline(data), data.labels.classes
    trainings = tuple(_training_summary(result, len(data.train.rows)) for result in fitted.results)
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
        model=model_summary(fitted.ensemble, specification.name),
        answer=answer,
        training=trainings[0],
        members=trainings if len(trainings) > 1 else (),
        evaluations={name: judged.evaluation for name, judged in judgements.items()},
        mistakes=mistakes(data.corpus, data.judged[headline], judgements[headline], classes),
    )


def _training_summary(result: TrainingResult, n_texts: int) -> TrainingSummary:
    return TrainingSummary(
        history=tuple(EpochRow.model_validate(row) for row in result.history),
        best_epoch=result.best_epoch,
        kept_epoch=result.kept_epoch,
        stopped=result.stopped,
        monitor=result.monitored,
        seconds=result.seconds,
        docs_per_s=n_texts * len(result.history) / result.seconds if result.seconds else None,
    )


def provenance(data: RunData) -> dict[str, Any]:
    """Return what ties a bundle to its data, for ``config.json``."""
    return {
        "source": data.corpus.source,
        "fingerprint": data.corpus.fingerprint,
        "rows_sha256": {name: rows_digest(split.rows) for name, split in data.splits.items()},
        "rows": {name: len(split.rows) for name, split in data.splits.items()},
        "training_class_counts": np.atleast_1d(_class_counts(data)).tolist(),
        **({} if data.encoder is None else {"encoder": dict(data.encoder.provenance)}),
        **({} if data.unlabelled is None else {"unlabelled_texts": len(data.unlabelled)}),
    }


def _class_counts(data: RunData) -> npt.NDArray[np.int64]:
    train = _class_ids(data.train)
    counts = train.sum(axis=0) if train.ndim == 2 else np.bincount(train, minlength=len(data.labels.classes))
    return np.asarray(counts, dtype=np.int64)


def _save(bundle: Bundle, record: RunRecord, fitted: FittedEnsemble, folder: Path) -> None:
    """Write the bundle over an interrupted one, if there is one; a finished run needs no checkpoint any more."""
    files = {
        "metrics.json": json.dumps(record.model_dump(mode="json"), ensure_ascii=False, indent=1),
        **history_files([result.history for result in fitted.results]),
        "report.html": render_report(record),
    }
    if record.training is not None:
        files["curves.svg"] = curves_svg(record.training, title=record.title)
    if record.text is not None and record.text.lengths is not None:
        files["lengths.svg"] = lengths_svg(record.text.lengths, title=record.title)
    (folder / CONFIG_FILE).unlink(missing_ok=True)
    bundle.save(folder, extra_files={name: text.encode("utf-8") for name, text in files.items()})
    if fitted.stopped != "interrupted":
        # The checkpoint goes first: without a member's file it would look like that of another run.
        (folder / CHECKPOINT_NAME).unlink(missing_ok=True)
        _remove_members(folder)


def _remove_members(folder: Path) -> None:
    for path in folder.glob("member-*.safetensors"):
        path.unlink(missing_ok=True)
