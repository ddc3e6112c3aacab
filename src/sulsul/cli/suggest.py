"""``sulsul suggest``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sulsul.cli.options import EncodingOption, IdOption, TextOption, comma_separated


def suggest(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `train` left.")],
    data: Annotated[str, typer.Argument(metavar="UNLABELLED", help="Texts to choose from; - is standard input.")],
    number: Annotated[int, typer.Option("-n", metavar="N", help="How many to choose.")] = 100,
    text: TextOption = None,
    identifier: IdOption = None,
    encoding: EncodingOption = None,
    by: Annotated[str, typer.Option("--by", metavar="margin|entropy", help="What undecided means.")] = "margin",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="CSV or .jsonl, instead of standard output.")
    ] = None,
) -> None:
    """Choose the unlabelled texts that are worth labelling: those the classifier is least decided about.

    Writes a line per text with an empty label to fill in. None nearly repeats another.
    """
    from sulsul.corpora import DataSettings
    from sulsul.errors import OutputError, UsageError
    from sulsul.files import write_text_atomically
    from sulsul.predictor import Predictor
    from sulsul.suggestion import suggest_texts, suggestions_as_csv, suggestions_as_jsonl

    if by not in ("margin", "entropy"):
        raise UsageError(f"--by {by}: choose margin or entropy.")
    if output is not None and output.is_dir():
        raise OutputError(f"{output} is a folder; name a file for the texts.")
    predictor = Predictor.load(run)
    columns = comma_separated(text) or (predictor.bundle.specification.data.text if data != "-" else ())
    settings = DataSettings(source=data, text=columns, id=identifier, encoding=encoding or "auto")
    found = suggest_texts(predictor, settings, number, measure="margin" if by == "margin" else "entropy")
    as_lines = output is not None and output.suffix in {".jsonl", ".ndjson"}
    write = suggestions_as_jsonl if as_lines else suggestions_as_csv
    content = write(found, multi_label=predictor.multi_label, with_ids=identifier is not None)
    if output is None:
        sys.stdout.write(content)
        sys.stdout.flush()
    else:
        write_text_atomically(output, content)
    said = f"{len(found.chosen):,} of {found.n_texts:,} texts chosen"
    if left_out := [
        f"{n:,} {what}" for n, what in ((found.n_blank, "blank"), (found.n_copies, "near copies of others")) if n
    ]:
        said += f" (passed over: {' and '.join(left_out)})"
    typer.echo(f"{said}.", err=True)
