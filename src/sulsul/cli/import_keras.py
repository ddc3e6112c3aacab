"""``sulsul import-keras``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sulsul.cli.options import OutputOption, comma_separated

if TYPE_CHECKING:
    from sulsul.importing import ImportReport


def import_keras(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A .keras or .h5 file; nothing in it is run.")],
    output: OutputOption = None,
    vocabulary: Annotated[
        Path | None,
        typer.Option(
            "--vocabulary",
            "--tokenizer",
            metavar="FILE",
            help="Tokenizer.to_json(), a word index (imdb_word_index.json), or TextVectorization's words, one a line.",
        ),
    ] = None,
    classes: Annotated[
        str | None, typer.Option("--classes", metavar="A,B[,C]", help="Names in the order of the output's units.")
    ] = None,
    pad_to: Annotated[
        int | None, typer.Option("--pad-to", metavar="N", min=1, help="Length the notebook padded to, if not masked.")
    ] = None,
    pad_side: Annotated[
        str, typer.Option("--pad-side", metavar="before|after", help="pad_sequences(padding=…): 'pre' is before.")
    ] = "before",
    truncate: Annotated[
        str, typer.Option("--truncate", metavar="front|back", help="pad_sequences(truncating=…): 'pre' is front.")
    ] = "front",
) -> None:
    """Turn a Keras model file into a run, and compare its logits with Keras's where Keras is installed.

    Without --vocabulary the run reads token ids, as an .npz of integer sequences holds them.
    """
    from sulsul.cli.running import new_folder
    from sulsul.importing import import_keras as import_file

    report = import_file(
        model,
        output or new_folder(model.stem),
        vocabulary=vocabulary,
        classes=comma_separated(classes),
        pad_to=pad_to,
        pad_side=_pad_side(pad_side),
        truncate=_truncate(truncate),
    )
    typer.echo(_rendered(report))


def _pad_side(value: str) -> Literal["before", "after"]:
    from sulsul.errors import UsageError

    if value in ("before", "pre"):
        return "before"
    if value in ("after", "post"):
        return "after"
    raise UsageError(f"--pad-side {value}: choose before or after.")


def _truncate(value: str) -> Literal["front", "back"]:
    from sulsul.errors import UsageError

    if value in ("front", "pre"):
        return "front"
    if value in ("back", "post"):
        return "back"
    raise UsageError(f"--truncate {value}: choose front or back.")


def _rendered(report: "ImportReport") -> str:
    from sulsul.model.summary import summarise

    comparison = report.comparison
    if comparison.max_abs_error is None:
        compared = f"not compared: {comparison.said}"
    else:
        compared = (
            f"compared on {comparison.n_texts} texts of random token ids with {comparison.said}: largest logit error "
            f"{comparison.max_abs_error:.1e}"
        )
    notes = [f"note: {note}" for note in report.notes]
    return "\n".join([summarise(report.bundle.classifier).render(), *notes, compared, f"run: {report.folder}"])
