"""Judging a trained classifier on labelled texts it was not trained on."""

from pathlib import Path

import numpy as np

from sulsul.bundle import Bundle
from sulsul.corpora import Corpus, DataSettings, read_corpus
from sulsul.files import output_error, write_text_atomically
from sulsul.findings import Finding
from sulsul.judging import Judgement, judge, judge_parts, mistakes
from sulsul.predictor import Predictor
from sulsul.preparation import encode_rows
from sulsul.report.environment import describe_machine, package_versions
from sulsul.report.page import render_report
from sulsul.report.record import RunRecord, Split
from sulsul.summaries import data_summary, model_summary, text_summary


def evaluate_source(predictor: Predictor, settings: DataSettings, *, command: str) -> tuple[RunRecord, Judgement]:
    """Classify a labelled source and judge the answers.

    Parameters
    ----------
    predictor
        The trained classifier.
    settings
        The source and its columns.
    command
        The command that repeats this, for the report.

    Raises
    ------
    DataError
        If the source cannot be read, has no texts, or a label the classifier does not know.
    """
    bundle = predictor.bundle
    corpus = read_corpus(settings)
    rows = np.arange(len(corpus), dtype=np.int64)
    split = encode_rows(corpus, rows, bundle.tokenizer, bundle.labels)
    seed = bundle.specification.training.seed
    ensemble, classes = bundle.ensemble, predictor.classes
    answer = None
    if ensemble.is_plain:
        judgement = judge(ensemble, split.encoded, corpus.texts, classes, seed=seed)
    else:
        judgement, answer = judge_parts(ensemble, split.encoded, corpus.texts, classes, seed=seed)
    name: Split = "data"
    record = RunRecord(
        kind="evaluate",
        title=f"{bundle.specification.name} on {corpus.source}",
        command=command,
        versions=package_versions(),
        machine=describe_machine(),
        seed=seed,
        settings=bundle.specification.model_dump(mode="json"),
        data=data_summary(corpus, bundle.labels, {name: split}),
        text=text_summary(bundle.tokenizer, {name: split}),
        model=model_summary(bundle.ensemble, bundle.specification.name),
        answer=answer,
        evaluations={name: judgement.evaluation},
        findings=_seen_in_training(corpus, bundle),
        mistakes=mistakes(corpus, split, judgement, predictor.classes),
    )
    return record, judgement


def _seen_in_training(corpus: Corpus, bundle: Bundle) -> tuple[Finding, ...]:
    """Say so if these are the very texts of the run, most of which it was trained on."""
    if corpus.fingerprint != bundle.data.get("fingerprint"):
        return ()
    return (
        Finding(
            check="evaluated-on-training-data",
            severity="error",
            what="These are the texts the classifier was made from, and most of them were its training split.",
            why="A score on texts seen in training says how well they were memorised, not how well new ones are read.",
            remedy="Evaluate labelled texts that were not in the run, or read the test score that `train` printed.",
            evidence={"fingerprint": corpus.fingerprint, "rows": bundle.data.get("rows")},
        ),
    )


def save_evaluation(record: RunRecord, folder: Path) -> None:
    """Write ``metrics.json`` and ``report.html`` into a new folder.

    Raises
    ------
    OutputError
        If the folder exists or cannot be written.
    """
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise output_error(folder, error) from error
    write_text_atomically(folder / "metrics.json", record.model_dump_json(indent=1))
    write_text_atomically(folder / "report.html", render_report(record))
