"""Options that several commands share, and what they set in a specification."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sulsul.specification import RunSpecification

DataArgument = Annotated[
    str | None,
    typer.Argument(metavar="DATA", help="File, glob, folder, cloud path or named data set.", show_default=False),
]
TextOption = Annotated[
    str | None,
    typer.Option("--text", metavar="COL[,COL]", help="Text columns, a line each; guessed if left out."),
]
LabelOption = Annotated[str | None, typer.Option("--label", metavar="COL", help="Label column. Guessed if left out.")]
IdOption = Annotated[str | None, typer.Option("--id", metavar="COL", help="Column carried through to predictions.")]
EncodingOption = Annotated[str | None, typer.Option("--encoding", help="Of the file; recognised if left out.")]
ClassesOption = Annotated[
    str | None, typer.Option("--keep-classes", metavar="A[,B]", help="Use only the rows of these classes.")
]
SeparatorOption = Annotated[
    str | None,
    typer.Option("--label-separator", metavar="SEP", help="Between the labels of a cell that holds several."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any setting, e.g. model.units=128. May be repeated."),
]
RayOption = Annotated[
    str | None,
    typer.Option("--ray", metavar="ADDRESS", help="On a Ray cluster: HOST:PORT, auto, ray://…, or local (extra ray)."),
]
OutputOption = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="RUN", help="Folder of the run. Default: a new one in runs/.")
]


def comma_separated(value: str | None) -> tuple[str, ...] | None:
    """Split a comma-separated option; None stays None."""
    return None if value is None else tuple(part.strip() for part in value.split(",") if part.strip())


def override_data(
    specification: "RunSpecification",
    *,
    source: str | None = None,
    text: str | None = None,
    label: str | None = None,
    identifier: str | None = None,
    encoding: str | None = None,
    keep_classes: str | None = None,
    label_separator: str | None = None,
) -> "RunSpecification":
    """Return the specification with the data options that were given."""
    given = {
        "source": source,
        "text": comma_separated(text),
        "label": label,
        "id": identifier,
        "encoding": encoding,
        "keep_classes": comma_separated(keep_classes),
        "label_separator": label_separator,
    }
    update = {key: value for key, value in given.items() if value is not None}
    return specification.model_copy(update={"data": specification.data.model_copy(update=update)})


def override_split(
    specification: "RunSpecification", *, validation: str | None = None, test: str | None = None
) -> "RunSpecification":
    """Return the specification with the separate files that were given.

    Raises
    ------
    SpecificationError
        If the specification divides the rows in a way that excludes separate files.
    """
    values = specification.model_dump(mode="json")
    given = {"validation_source": validation, "test_source": test}
    values["split"] |= {key: value for key, value in given.items() if value is not None}
    return type(specification).parse(values, where="--validation and --test")


def override_pretraining(
    specification: "RunSpecification", *, encoder: str | None = None, unlabelled: Sequence[str] | None = None
) -> "RunSpecification":
    """Return the specification with what was given to start from.

    Raises
    ------
    SpecificationError
        If both an encoder and texts to make one of are given.
    """
    values = specification.model_dump(mode="json")
    given = {"encoder": encoder, "unlabelled": None if unlabelled is None else list(unlabelled)}
    values["pretraining"] |= {key: value for key, value in given.items() if value}
    return type(specification).parse(values, where="--pretrained and --unlabelled")


def build_specification(
    recipe: str | None, spec_file: Path | None, overrides: Sequence[str] | None
) -> "RunSpecification":
    """Return the recipe, the file's specification or the default, with ``--set`` applied.

    Raises
    ------
    UsageError
        If both a recipe and a file are given.
    """
    from sulsul.errors import UsageError
    from sulsul.recipes import load_recipe
    from sulsul.specification import RunSpecification

    if recipe is not None and spec_file is not None:
        raise UsageError("give either --recipe or --spec, not both.")
    if recipe is not None:
        specification = load_recipe(recipe)
    elif spec_file is not None:
        specification = RunSpecification.from_file(spec_file)
    else:
        specification = load_recipe("default")
    return specification.with_overrides(overrides or ())
