"""``sulsul predict``."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sulsul.cli.options import DataArgument, EncodingOption, IdOption, RayOption, TextOption, comma_separated

if TYPE_CHECKING:
    from sulsul.corpora import DataSettings
    from sulsul.predictions import PredictedRow
    from sulsul.predictor import Predictor


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `train` left.")],
    data: DataArgument = None,
    string: Annotated[
        list[str] | None, typer.Option("--string", "-s", metavar="TEXT", help="A text itself. May be repeated.")
    ] = None,
    text: TextOption = None,
    identifier: IdOption = None,
    encoding: EncodingOption = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Instead of standard output.")
    ] = None,
    abstain: Annotated[
        bool, typer.Option("--abstain", help="Give no label below the stored confidence threshold.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="With -o: go on where the same command was killed or stopped.")
    ] = False,
    format: Annotated[
        str | None, typer.Option("--format", metavar="csv|jsonl", help="Default: by the output's name, else csv.")
    ] = None,
    ray: RayOption = None,
) -> None:
    """Classify texts: those of DATA, of standard input (`-`, a text a line), or given with --string.

    Writes a line per text: its row (and id), the label, its probability, and the probability of every class.
    """
    from sulsul.corpora import DataSettings
    from sulsul.errors import UsageError
    from sulsul.predictions import predict_source, predict_strings, predict_to_file, write_predictions
    from sulsul.predictor import Predictor

    if (data is None) == (not string):
        raise UsageError("give the texts once: as DATA, as - for standard input, or with --string.")
    if ray is not None and (string or data == "-"):
        raise UsageError("--ray classifies the files of DATA; leave it out for strings and standard input.")
    if resume and (output is None or data in (None, "-")):
        raise UsageError("--resume needs -o FILE and DATA that can be read again, not - or --string.")
    if resume and ray is not None:
        raise UsageError("--resume and --ray exclude each other: what a cluster was doing is not written down.")
    chosen = _output_format(format, output)
    predictor = Predictor.load(run)
    if string:
        rows = predict_strings(predictor, string)
    else:
        trained_on = predictor.bundle.specification.data
        columns = comma_separated(text) or (trained_on.text if data != "-" else ())
        settings = DataSettings(source=data, text=columns, id=identifier, encoding=encoding or "auto")
        if output is not None and data != "-" and ray is None:
            try:
                predict_to_file(predictor, settings, output, format=chosen, abstain=abstain, resume=resume)
            except KeyboardInterrupt:
                _say_how_to_resume(output)
                raise
            return
        rows = predict_source(predictor, settings) if ray is None else _rows_on_ray(ray, predictor, run, settings)
    write_predictions(rows, predictor, with_ids=identifier is not None, output=output, format=chosen, abstain=abstain)


def _say_how_to_resume(output: Path) -> None:
    from sulsul.resumable_output import journal_path

    if journal_path(output).exists():
        typer.echo(f"\nthe predictions so far are kept beside {output}; add --resume to go on with them.", err=True)


def _rows_on_ray(address: str, predictor: "Predictor", run: Path, settings: "DataSettings") -> Iterator["PredictedRow"]:
    from sulsul.distributed.ray_cluster import ray_cluster
    from sulsul.distributed.ray_prediction import predict_on_ray

    with ray_cluster(address) as ray:
        yield from predict_on_ray(ray, predictor, run, settings)


def _output_format(format: str | None, output: Path | None) -> Literal["csv", "jsonl"]:
    from sulsul.errors import UsageError

    if format is None:
        return "jsonl" if output is not None and output.suffix in {".jsonl", ".ndjson"} else "csv"
    if format == "csv":
        return "csv"
    if format == "jsonl":
        return "jsonl"
    raise UsageError(f"--format {format}: choose csv or jsonl.")
