"""The comparison from data to report: baselines, every network, the controls of the best, one table."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sulsul.choices import settle
from sulsul.comparison.contenders import Contender, controls_of
from sulsul.comparison.design import Design, read_design
from sulsul.comparison.running import BASELINES, Job, Listener, Runner
from sulsul.comparison.scoring import Answers, choose_best, collect, compare_answers
from sulsul.comparison.trials import TrialStore
from sulsul.doctor import check_before, findings_of_run
from sulsul.files import write_text_atomically
from sulsul.findings import Finding
from sulsul.fitting import build_classifier
from sulsul.preparation import PreparedSplit, encode_rows
from sulsul.report.environment import describe_machine, package_versions
from sulsul.report.page import render_report
from sulsul.report.record import Comparison, RunRecord, Split
from sulsul.specification import RunSpecification
from sulsul.summaries import data_summary, text_summary

TRIALS_FOLDER = "trials"
Controls = Literal["best", "each", "none"]
Spread = Callable[[Runner, Sequence[Job]], None]
"""Trains the networks of some jobs elsewhere and puts their trials into the runner's store."""


def run_comparison(
    contenders: Sequence[Contender],
    folder: Path,
    *,
    command: str,
    seeds: int = 3,
    folds: int | None = None,
    controls: Controls = "best",
    resume: bool = False,
    listener: Listener | None = None,
    spread: Spread | None = None,
) -> RunRecord:
    """Train and judge every contender alike and write table, record and report into ``folder``.

    Parameters
    ----------
    contenders
        Networks, or whole recipes; the first one's data, split and seed hold for all.
    folder
        Where everything goes; it must not exist unless ``resume``.
    command
        The command that repeats the comparison, for the report.
    seeds
        How often each network is trained on each split.
    folds
        Cross-validate over so many folds instead of judging one split.
    controls
        Which networks are also trained without recurrence and on shuffled words: the best, each, or none. A recipe's
        whole answer is not one network and has no controls.
    resume
        Reuse the finished trials in ``folder``.
    listener
        Called while the comparison goes on.
    spread
        Trains networks elsewhere and puts their trials into the runner's store, before they are asked for here.

    Raises
    ------
    ComparisonInterrupted
        If a stop was requested; finished trials are kept.
    SulsulError
        As reading, training and writing do.
    """
    specification = contenders[0].specification
    store = TrialStore(folder / TRIALS_FOLDER)
    store.check(resume=resume)
    design = read_design(specification, folds=folds)
    store.create()
    listener = listener or Listener()
    findings = _findings(contenders, design)
    listener.on_findings(findings)
    truth = design.class_ids
    runner = Runner(design, store, listener)
    schedule = _Schedule(runner, truth, seeds, specification, spread)
    plain = {contender.name: contender for contender in contenders if contender.is_one_network}
    n_controlled = {"best": min(1, len(plain)), "each": len(plain), "none": 0}[controls]
    schedule.expect(baselines=len(BASELINES), networks=len(contenders) + 2 * n_controlled)
    baselines = schedule.baselines()
    networks = schedule.networks(contenders)
    best, selection = choose_best(networks, design)
    # A whole answer has parts that read the words in their order whatever its networks do.
    of_one = [network for network in networks if network.name in plain]
    controlled = choose_best(of_one, design)[0] if of_one and controls != "none" else None
    chosen = [c for c in plain.values() if controls == "each" or (controlled is not None and c.name == controlled.name)]
    taken_away = schedule.networks([control for contender in chosen for control in controls_of(contender)])
    answers = [*networks, *taken_away, *baselines]
    comparison = compare_answers(answers, best, design, truth, selection=selection, controlled=controlled)
    record = _record(specification, design, comparison, findings, command)
    _save(record, comparison, folder)
    return record


class _Schedule:
    """Runs each contender with all seeds on all folds, and counts what is left."""

    def __init__(
        self,
        runner: Runner,
        truth: npt.NDArray[Any],
        n_seeds: int,
        specification: RunSpecification,
        spread: Spread | None,
    ) -> None:
        self._runner = runner
        self._truth = truth
        self._specification = specification
        first = specification.training.seed
        self._seeds = range(first, first + n_seeds)
        self._folds = range(len(runner.design.splits))
        self._n_left = 0
        self._spread = spread

    def expect(self, *, baselines: int, networks: int) -> None:
        self._n_left = (baselines + networks * len(self._seeds)) * len(self._folds)

    def baselines(self) -> list[Answers]:
        found = []
        for name, title in BASELINES.items():
            trials = []
            for fold in self._folds:
                trials.append(self._runner.baseline(name, self._specification, fold, n_left=self._n_left))
                self._n_left -= 1
            found.append(collect(title, "baseline", [trials], self._truth))
        return found

    def networks(self, contenders: Sequence[Contender]) -> list[Answers]:
        if self._spread is not None:
            jobs = [Job(c, seed, fold) for c in contenders for seed in self._seeds for fold in self._folds]
            self._spread(self._runner, jobs)
        return [self._network(contender) for contender in contenders]

    def _network(self, contender: Contender) -> Answers:
        trials = []
        for seed in self._seeds:
            by_fold = []
            for fold in self._folds:
                by_fold.append(self._runner.network(contender, seed, fold, n_left=self._n_left))
                self._n_left -= 1
            trials.append(by_fold)
        return collect(contender.name, contender.kind, trials, self._truth, control_of=contender.control_of)


def _findings(contenders: Sequence[Contender], design: Design) -> tuple[Finding, ...]:
    """Look at the data and at every network before any is trained; of folds, at the first."""
    found: dict[str, Finding] = {}
    for contender in contenders:
        data = design.prepare(contender.specification, 0)
        specification, _ = settle(contender.specification, data.facts)
        diagnosis = check_before(data, specification, build_classifier(specification, data))
        for finding in diagnosis.findings:
            found.setdefault(finding.check, finding)
    return findings_of_run(found.values(), ())


def _record(
    specification: RunSpecification,
    design: Design,
    comparison: Comparison,
    findings: tuple[Finding, ...],
    command: str,
) -> RunRecord:
    first = design.prepare(specification, 0)
    splits: dict[Split, PreparedSplit] = dict(first.splits)
    note = first.split_note
    if design.n_folds is not None:
        rows = np.concatenate([design.judged_rows(fold) for fold in range(design.n_folds)])
        splits = {"data": encode_rows(design.corpus, rows, first.tokenizer, design.labels)}
        note = f"{design.n_folds} folds, each judged once; from the others, {note}"
    return RunRecord(
        kind="compare",
        title=f"Comparison on {Path(design.corpus.source).name}",
        command=command,
        versions=package_versions(),
        machine=describe_machine(threads=specification.training.threads),
        seed=specification.training.seed,
        settings=specification.model_dump(mode="json"),
        data=data_summary(design.corpus, design.labels, splits, note=note),
        text=text_summary(first.tokenizer, first.splits),
        comparison=comparison,
        findings=findings,
    )


def comparison_to_csv(comparison: Comparison) -> str:
    """Return a comparison as CSV, one line per contender."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = ("accuracy", "macro_f1")
    scores = [column for name in names for column in (name, f"{name}_low", f"{name}_high", f"{name}_sd")]
    costs = ["n_parameters", "seconds", "docs_per_s"]
    writer.writerow(["name", "kind", "best", *scores, *costs, "p_value", "verdict"])
    for row in comparison.rows:
        values: list[object] = [row.name, row.kind, row.best]
        for score, interval, spread in (
            (row.accuracy, row.accuracy_interval, row.accuracy_spread),
            (row.macro_f1, row.macro_f1_interval, row.macro_f1_spread),
        ):
            values += [score, *interval, spread.standard_deviation if spread else None]
        writer.writerow([*values, row.n_parameters, row.seconds, row.docs_per_s, row.p_value, row.verdict])
    return buffer.getvalue()


def _save(record: RunRecord, comparison: Comparison, folder: Path) -> None:
    write_text_atomically(folder / "comparison.csv", comparison_to_csv(comparison))
    write_text_atomically(folder / "comparison.json", record.model_dump_json(indent=1))
    write_text_atomically(folder / "report.html", render_report(record))
