"""Running one specification from the command line: progress, the printed result, Ctrl-C."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from sulsul.findings import Finding
    from sulsul.model.classifier import Classifier
    from sulsul.report.record import RunRecord
    from sulsul.specification import RunSpecification
    from sulsul.streamed import RunData
    from sulsul.training.workers import Workers

_DEFAULT_FOLDER = Path("runs")


def command_line() -> str:
    """Return the command that was typed, quoted for a shell."""
    return shlex.join(["sulsul", *sys.argv[1:]])


def new_folder(name: str) -> Path:
    """Return the first of ``runs/NAME``, ``runs/NAME-2``, … that does not exist."""
    folder, number = _DEFAULT_FOLDER / name, 1
    while folder.exists():
        number += 1
        folder = _DEFAULT_FOLDER / f"{name}-{number}"
    return folder


def run_and_print(
    specification: "RunSpecification",
    *,
    output: Path | None,
    baselines: bool,
    resume: bool,
    cache: Path | None = None,
    n_workers: int | None = None,
    ray_address: str | None = None,
) -> None:
    """Run a specification, on several processes if asked; the first of them shows progress and prints the result."""
    from sulsul.distributed.assisting import assist_experiment
    from sulsul.distributed.joining import join_workers
    from sulsul.errors import UsageError
    from sulsul.training import MembersListener
    from sulsul.training.interruption import StopOnSignal

    if resume and output is None:
        raise UsageError("--resume needs -o RUN, the folder of the interrupted run.")
    if ray_address is not None:
        if cache is not None:
            raise UsageError("--cache is of this machine: with --ray set SULSUL_CACHE on every machine of the cluster.")
        folder = output or new_folder(specification.name)
        _run_on_ray(specification, folder, ray_address, baselines=baselines, resume=resume, n_workers=n_workers)
        return
    with join_workers(n_workers, sys.argv[1:]) as workers:
        if workers is None or workers.is_first:
            _run_and_print(
                specification, output=output, baselines=baselines, resume=resume, cache=cache, workers=workers
            )
        else:
            with StopOnSignal() as stop:
                listener = MembersListener(stop_requested=stop)
                assist_experiment(specification, workers, resume=resume, listener=listener, cache=cache)


def _run_and_print(
    specification: "RunSpecification",
    *,
    output: Path | None,
    baselines: bool,
    resume: bool,
    cache: Path | None,
    workers: "Workers | None",
) -> None:
    """Run a specification with progress on standard error, and print its result on standard output."""
    from rich.console import Console

    from sulsul.experiment import Listener, run_experiment
    from sulsul.pretraining.progress import PretrainingProgress
    from sulsul.training.interruption import StopOnSignal
    from sulsul.training.progress import TrainingProgress

    folder = output or new_folder(specification.name)
    progress_console = Console(stderr=True)
    with (
        PretrainingProgress(progress_console) as pretraining,
        TrainingProgress(progress_console) as progress,
        StopOnSignal(say_stopping) as stop,
    ):
        outcome = run_experiment(
            specification,
            folder,
            command=command_line(),
            baselines=baselines,
            resume=resume,
            workers=workers,
            cache=cache,
            listener=Listener(
                on_stage=lambda message: progress_console.print(message, highlight=False, soft_wrap=True, style="dim"),
                on_prepared=lambda data, classifier: _print_prepared(progress_console, data, classifier),
                on_chosen=lambda reasons: print_chosen(progress_console, reasons),
                on_findings=lambda findings: print_findings(progress_console, findings),
                on_batch=progress.on_batch,
                on_epoch=progress.on_epoch,
                on_member=progress.on_member,
                on_baselines=lambda: progress_console.print("fitting the baselines …", style="dim"),
                stop_requested=stop,
                pretraining=pretraining.listener(stop),
            ),
        )
    _print_outcome(outcome.record, folder, progress_console, interrupted=outcome.interrupted)


def _run_on_ray(
    specification: "RunSpecification",
    folder: Path,
    address: str,
    *,
    baselines: bool,
    resume: bool,
    n_workers: int | None,
) -> None:
    from rich.console import Console

    from sulsul.distributed.ray_cluster import ray_cluster
    from sulsul.distributed.ray_training import train_on_ray
    from sulsul.doctor.sources import read_record
    from sulsul.training.interruption import StopOnSignal
    from sulsul.training.progress import TrainingProgress

    progress_console = Console(stderr=True)
    with (
        ray_cluster(address) as ray,
        TrainingProgress(progress_console) as progress,
        StopOnSignal(say_stopping) as stop,
    ):
        train_on_ray(
            ray,
            specification,
            folder,
            command=command_line(),
            n_workers=n_workers,
            baselines=baselines,
            resume=resume,
            on_epoch=progress.on_epoch,
            stop_requested=stop,
        )
    record = read_record(folder)
    interrupted = record.training is not None and record.training.stopped == "interrupted"
    _print_outcome(record, folder, progress_console, interrupted=interrupted)


def _print_outcome(record: "RunRecord", folder: Path, progress_console: "Console", *, interrupted: bool) -> None:
    from rich.console import Console

    from sulsul.report.text_table import render_terminal

    console = Console()
    console.print(render_terminal(record))
    console.print(f"run: {folder}\nreport: {folder / 'report.html'}", highlight=False, soft_wrap=True)
    if interrupted:
        progress_console.print(
            f"interrupted: the best epoch so far was kept; continue with -o {folder} --resume.",
            highlight=False,
            soft_wrap=True,
        )
        raise SystemExit(130)


def say_stopping() -> None:
    """Say on standard error that a stop request was heard."""
    # The handler of a signal may run in the middle of another print; one system call cannot get in its way.
    os.write(2, b"\nstopping at the next step and saving the state; once more: stop at once\n")


def _print_prepared(console: "Console", data: "RunData", classifier: "Classifier") -> None:
    from sulsul.model.summary import summarise

    audit = data.corpus.audit
    sizes = ", ".join(f"{len(split.rows):,} {name}" for name, split in data.splits.items())
    lines = [f"{data.corpus.source}: {len(data.corpus):,} texts, {len(data.labels.classes)} classes ({sizes})"]
    if audit.guess:
        lines.append(audit.guess)
    counted = {
        "empty": audit.n_empty,
        "missing": audit.n_missing,
        "reading “nan” or the like": audit.n_nan_text,
        "without a label, left out": audit.n_without_label,
        "of other classes, left out": audit.n_dropped_by_class,
    }
    if odd := [f"{n:,} {what}" for what, n in counted.items() if n]:
        lines.append(f"texts {'; '.join(odd)}")
    console.print("\n".join(lines), highlight=False, soft_wrap=True, markup=False)
    console.print(summarise(classifier).render(), highlight=False, soft_wrap=True, markup=False)


def print_chosen(console: "Console", reasons: "Sequence[str]") -> None:
    """Print what was chosen from the data."""
    for reason in reasons:
        console.print(f"chosen from the data: {reason}", highlight=False, soft_wrap=True, markup=False)


def print_findings(console: "Console", findings: "Sequence[Finding]") -> None:
    """Print what is wrong before the time for training is spent; notes wait for the end."""
    from sulsul.doctor.rendering import render_heading

    for finding in findings:
        if finding.severity != "note":
            console.print(render_heading(finding), highlight=False, soft_wrap=True)
