"""``sulsul doctor``."""

from typing import TYPE_CHECKING, Annotated

import typer

from sulsul.cli.options import (
    ClassesOption,
    EncodingOption,
    IdOption,
    LabelOption,
    TextOption,
    build_specification,
    override_data,
)

if TYPE_CHECKING:
    from sulsul.doctor import Diagnosis


def doctor(
    target: Annotated[str, typer.Argument(metavar="DATA", help="Labelled texts.")],
    text: TextOption = None,
    label: LabelOption = None,
    identifier: IdOption = None,
    encoding: EncodingOption = None,
    keep_classes: ClassesOption = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the checks that take up to a minute.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if there is an error.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Find the mistakes that recurrent text classifiers are really built with. Changes nothing."""
    from sulsul.doctor import examine_source

    specification = override_data(
        build_specification(None, None, None),
        source=target,
        text=text,
        label=label,
        identifier=identifier,
        encoding=encoding,
        keep_classes=keep_classes,
    )
    diagnosis = examine_source(specification.data, specification.split, thorough=not quick)
    _print(diagnosis, target, as_json=json)
    if strict and diagnosis.count("error"):
        raise SystemExit(1)


def _print(diagnosis: "Diagnosis", target: str, *, as_json: bool) -> None:
    from rich.console import Console

    from sulsul.doctor.rendering import diagnosis_to_json, render_diagnosis

    if as_json:
        typer.echo(diagnosis_to_json(diagnosis, target=target))
    else:
        Console().print(render_diagnosis(diagnosis))
