"""``sulsul doctor``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sulsul.cli.labels import examine_and_print
from sulsul.cli.options import (
    ClassesOption,
    EncodingOption,
    IdOption,
    LabelOption,
    SeparatorOption,
    SetOption,
    TextOption,
    build_specification,
    override_data,
    override_split,
)

if TYPE_CHECKING:
    from sulsul.doctor import Diagnosis
    from sulsul.specification import RunSpecification


def doctor(
    target: Annotated[
        str | None, typer.Argument(metavar="DATA|RUN|MODEL", help="Labelled texts, a run's folder, or a Keras file.")
    ] = None,
    inputs: Annotated[
        Path | None, typer.Argument(metavar="INPUTS", help="With a Keras file: an .npz of x_train, y_train and so on.")
    ] = None,
    text: TextOption = None,
    label: LabelOption = None,
    recipe: Annotated[str | None, typer.Option(help="Also examine what this recipe makes of the texts.")] = None,
    spec: Annotated[Path | None, typer.Option(metavar="FILE", help="The same for a specification in TOML.")] = None,
    settings: SetOption = None,
    validation: Annotated[str | None, typer.Option(metavar="DATA", help="A separate validation file.")] = None,
    test: Annotated[str | None, typer.Option(metavar="DATA", help="A separate test file.")] = None,
    identifier: IdOption = None,
    encoding: EncodingOption = None,
    keep_classes: ClassesOption = None,
    label_separator: SeparatorOption = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the checks that take up to a minute.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if there is an error.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    labels: Annotated[
        bool,
        typer.Option("--labels", help="Rank labels that are probably wrong instead; with a recipe, by what it trains."),
    ] = False,
    folds: Annotated[int, typer.Option("--folds", metavar="K", help="With --labels: parts judged by the others.")] = 5,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="With --labels: write all of them as CSV.")
    ] = None,
) -> None:
    """Find the mistakes that recurrent text classifiers are really built with. Changes nothing."""
    from sulsul.doctor import examine_keras_file, examine_run_folder, examine_source, is_keras_file, is_run_folder
    from sulsul.errors import UsageError

    def described() -> "RunSpecification":
        return override_data(
            build_specification(recipe, spec, settings),
            source=target,
            text=text,
            label=label,
            identifier=identifier,
            encoding=encoding,
            keep_classes=keep_classes,
            label_separator=label_separator,
        )

    if labels:
        if inputs or validation or test or quick or strict:
            raise UsageError("--labels goes without INPUTS, --validation, --test, --quick and --strict.")
        linear = recipe is None and spec is None
        if linear and any(not setting.startswith("data.") for setting in settings or ()):
            raise UsageError("--labels judges by a linear model, which has no such setting; name a --recipe to train.")
        examine_and_print(described(), linear=linear, folds=folds, output=output, json=json)
        return
    if output is not None:
        raise UsageError("-o belongs to --labels; the findings themselves are printed, with --json as JSON.")
    if target is not None and is_keras_file(Path(target)):
        diagnosis = examine_keras_file(Path(target), inputs)
    elif inputs is not None:
        raise UsageError(f"INPUTS belong to a Keras file (.keras or .h5), and {target} is none.")
    elif target is not None and is_run_folder(Path(target)):
        diagnosis = examine_run_folder(Path(target), thorough=not quick)
    else:
        specification = override_split(described(), validation=validation, test=test)
        if recipe is None and spec is None:
            if specification.data.source is None:
                raise UsageError("give what to examine: DATA, the folder of a RUN, --recipe NAME or --spec FILE.")
            diagnosis = examine_source(specification.data, specification.split, thorough=not quick)
        else:
            diagnosis = _examine_specification(specification, thorough=not quick)
    _print(diagnosis, target or recipe or str(spec), as_json=json)
    if strict and diagnosis.count("error"):
        raise SystemExit(1)


def _examine_specification(specification: "RunSpecification", *, thorough: bool) -> "Diagnosis":
    from sulsul.choices import settle
    from sulsul.doctor import check_before, examine_settings
    from sulsul.fitting import build_classifier
    from sulsul.preparation import prepare

    if specification.data.source is None:
        return examine_settings(specification)
    data = prepare(specification)
    specification, _ = settle(specification, data.facts)
    return check_before(data, specification, build_classifier(specification, data), thorough=thorough)


def _print(diagnosis: "Diagnosis", target: str, *, as_json: bool) -> None:
    from rich.console import Console

    from sulsul.doctor.rendering import diagnosis_to_json, render_diagnosis

    if as_json:
        typer.echo(diagnosis_to_json(diagnosis, target=target))
    else:
        Console().print(render_diagnosis(diagnosis))
