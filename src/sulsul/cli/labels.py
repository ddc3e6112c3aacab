"""``sulsul doctor --labels``."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sulsul.specification import RunSpecification


def examine_and_print(
    specification: "RunSpecification", *, linear: bool, folds: int, output: Path | None, json: bool
) -> None:
    """Rank the labels of a source that are probably wrong, with progress on standard error.

    Parameters
    ----------
    specification
        Its data, and unless ``linear`` what judges them.
    linear
        Judge by the tuned linear model.
    folds
        How many parts the texts are divided into.
    output
        A CSV file for all of them.
    json
        Print JSON.
    """
    from rich.console import Console

    from sulsul.doctor import is_keras_file, is_run_folder
    from sulsul.doctor.labels.label_report import examine_labels
    from sulsul.doctor.labels.out_of_fold import FoldsListener
    from sulsul.doctor.labels.writing import labels_to_json, render_labels, write_doubted
    from sulsul.errors import UsageError
    from sulsul.training import MembersListener
    from sulsul.training.progress import TrainingProgress

    source = specification.data.source
    if source is None or is_keras_file(Path(source)) or is_run_folder(Path(source)):
        raise UsageError("--labels needs DATA, the labelled texts themselves.")
    progress_console = Console(stderr=True)
    with TrainingProgress(progress_console) as progress:
        report = examine_labels(
            specification.data,
            specification=None if linear else specification,
            n_folds=folds,
            seed=specification.training.seed,
            listener=FoldsListener(
                lambda fold, n_folds: progress_console.print(f"fold {fold + 1}/{n_folds} …", style="dim"),
                MembersListener(progress.on_member, progress.on_epoch, progress.on_batch),
            ),
        )
    if output is not None:
        write_doubted(report, output)
    if json:
        typer.echo(labels_to_json(report))
    else:
        Console().print(render_labels(report, output))
