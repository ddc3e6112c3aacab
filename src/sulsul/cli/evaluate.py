"""``sulsul evaluate``."""

from pathlib import Path
from typing import Annotated

import typer

from sulsul.cli.options import (
    ClassesOption,
    EncodingOption,
    IdOption,
    LabelOption,
    SeparatorOption,
    TextOption,
    override_data,
)


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `train` left.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="Labelled texts it was not trained on.")],
    text: TextOption = None,
    label: LabelOption = None,
    identifier: IdOption = None,
    encoding: EncodingOption = None,
    keep_classes: ClassesOption = None,
    label_separator: SeparatorOption = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FOLDER", help="Also write the report and figures there.")
    ] = None,
) -> None:
    """Judge a trained classifier on labelled texts: scores with intervals, per class, and the confusion matrix."""
    from rich.console import Console

    from sulsul.cli.running import command_line
    from sulsul.errors import OutputError
    from sulsul.evaluating import evaluate_source, save_evaluation
    from sulsul.predictor import Predictor
    from sulsul.report.text_table import render_terminal

    if output is not None and output.exists():
        raise OutputError(f"{output} exists already; choose another folder.")
    predictor = Predictor.load(run)
    specification = override_data(
        predictor.bundle.specification,
        source=data,
        text=text,
        label=label,
        identifier=identifier,
        encoding=encoding or "auto",
        keep_classes=keep_classes,
        label_separator=label_separator,
    )
    settings = specification.data.model_copy(update={"format": "auto", "limit": None})
    record, _ = evaluate_source(predictor, settings, command=command_line())
    console = Console()
    console.print(render_terminal(record))
    if output is not None:
        save_evaluation(record, output)
        console.print(f"report: {output / 'report.html'}", highlight=False, soft_wrap=True)
