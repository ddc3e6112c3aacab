"""``sulsul compare``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sulsul.cli.options import (
    ClassesOption,
    DataArgument,
    EncodingOption,
    LabelOption,
    OutputOption,
    RayOption,
    SeparatorOption,
    SetOption,
    TextOption,
    build_specification,
    comma_separated,
    override_data,
)

if TYPE_CHECKING:
    from sulsul.comparison import Spread
    from sulsul.specification import RunSpecification

_MODELS_HELP = (
    "[bi]simple-rnn, gru or lstm, then xLAYERS and -UNITS where wanted; base: the recipe's network; whole: all that "
    "answers in its runs. Default: base of each recipe, or five cells without one."
)


def compare(
    data: DataArgument = None,
    models: Annotated[str | None, typer.Option("--models", metavar="A[,B]", help=_MODELS_HELP)] = None,
    recipe: Annotated[str | None, typer.Option(metavar="A[,B]", help="What all else is taken from.")] = None,
    spec: Annotated[Path | None, typer.Option(metavar="FILE", help="A specification in TOML instead.")] = None,
    settings: SetOption = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Trainings per network and split. Default: 3, or 1 with --folds.")
    ] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Cross-validate instead of judging one split.")] = None,
    controls: Annotated[
        str, typer.Option(metavar="best|each|none", help="Networks also trained without order and recurrence.")
    ] = "best",
    text: TextOption = None,
    label: LabelOption = None,
    encoding: EncodingOption = None,
    keep_classes: ClassesOption = None,
    label_separator: SeparatorOption = None,
    output: OutputOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the interrupted comparison in RUN.")] = False,
    ray: RayOption = None,
) -> None:
    """Judge several networks, their controls and the baselines alike, and say what differs and what does not."""
    from rich.console import Console

    from sulsul.cli.comparing import ComparisonProgress
    from sulsul.cli.running import command_line, new_folder, print_findings
    from sulsul.comparison import ComparisonInterrupted, Listener, build_contenders, run_comparison
    from sulsul.errors import UsageError
    from sulsul.report.text_table import render_terminal
    from sulsul.training.interruption import StopOnSignal

    if resume and output is None:
        raise UsageError("--resume needs -o RUN, the folder of the interrupted comparison.")
    if controls not in {"best", "each", "none"}:
        raise UsageError(f"--controls {controls}: choose best, each or none.")
    bases = _bases(recipe, spec, settings)
    bases[0] = override_data(
        bases[0],
        source=data,
        text=text,
        label=label,
        encoding=encoding,
        keep_classes=keep_classes,
        label_separator=label_separator,
    )
    if bases[0].data.source is None:
        raise UsageError("give the DATA to compare on: a file, a glob, a folder or a named data set.")
    contenders = build_contenders(bases, _model_names(models, recipe, spec))
    folder = output or new_folder("comparison")
    console = Console(stderr=True)
    with ComparisonProgress(console) as progress, StopOnSignal() as stop, _spreading(ray) as spread:
        try:
            record = run_comparison(
                contenders,
                folder,
                command=command_line(),
                seeds=seeds or (1 if folds else 3),
                folds=folds,
                controls=controls,  # type: ignore[arg-type]
                resume=resume,
                spread=spread,
                listener=Listener(
                    on_findings=lambda findings: print_findings(console, findings),
                    on_start=progress.on_start,
                    on_trial=progress.on_trial,
                    on_member=progress.on_member,
                    on_batch=progress.on_batch,
                    stop_requested=stop,
                ),
            )
        except ComparisonInterrupted:
            message = f"interrupted: finished trainings are kept; continue with -o {folder} --resume."
            console.print(message, highlight=False, soft_wrap=True)
            raise SystemExit(130) from None
    printed = Console()
    printed.print(render_terminal(record))
    printed.print(
        f"table: {folder / 'comparison.csv'}\nreport: {folder / 'report.html'}", highlight=False, soft_wrap=True
    )


@contextmanager
def _spreading(address: str | None) -> Iterator["Spread | None"]:
    """Return what trains the networks on a cluster, if there is one."""
    if address is None:
        yield None
        return
    from functools import partial

    from sulsul.distributed.ray_cluster import ray_cluster
    from sulsul.distributed.ray_comparison import spread_trials

    with ray_cluster(address) as ray:
        yield partial(spread_trials, ray)


def _bases(recipe: str | None, spec: Path | None, settings: list[str] | None) -> list["RunSpecification"]:
    names = comma_separated(recipe)
    return [build_specification(name, spec, settings) for name in names or (None,)]


def _model_names(models: str | None, recipe: str | None, spec: Path | None) -> tuple[str, ...]:
    from sulsul.comparison import DEFAULT_MODELS

    given = comma_separated(models)
    return given or (("base",) if recipe or spec else DEFAULT_MODELS)
