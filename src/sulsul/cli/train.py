"""``sulsul train`` and ``sulsul demo``."""

from pathlib import Path
from typing import Annotated

import typer

from sulsul.cli.options import (
    ClassesOption,
    DataArgument,
    EncodingOption,
    IdOption,
    LabelOption,
    OutputOption,
    RayOption,
    SeparatorOption,
    SetOption,
    TextOption,
    build_specification,
    override_data,
    override_pretraining,
    override_split,
)


def train(
    data: DataArgument = None,
    text: TextOption = None,
    label: LabelOption = None,
    output: OutputOption = None,
    recipe: Annotated[str | None, typer.Option(help="A named recipe; see `sulsul recipe list`.")] = None,
    spec: Annotated[Path | None, typer.Option(metavar="FILE", help="A specification in TOML.")] = None,
    settings: SetOption = None,
    validation: Annotated[str | None, typer.Option(metavar="DATA", help="A separate validation file.")] = None,
    test: Annotated[str | None, typer.Option(metavar="DATA", help="A separate test file.")] = None,
    identifier: IdOption = None,
    encoding: EncodingOption = None,
    keep_classes: ClassesOption = None,
    label_separator: SeparatorOption = None,
    baselines: Annotated[bool, typer.Option(help="Also fit the linear baselines.")] = True,
    pretrained: Annotated[
        str | None, typer.Option(metavar="ENCODER", help="Start from what `sulsul pretrain` learned.")
    ] = None,
    unlabelled: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Texts without labels, to pretrain on first. May be repeated, and be DATA itself.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the interrupted run in RUN.")] = False,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where large corpora are kept; see `sulsul cache`.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, help="Train on N processes of this machine, or of the cluster."),
    ] = None,
    ray: RayOption = None,
) -> None:
    """Train a classifier on a table of labelled texts and say honestly how good it is."""
    from sulsul.cli.running import run_and_print
    from sulsul.errors import UsageError

    specification = override_data(
        override_pretraining(build_specification(recipe, spec, settings), encoder=pretrained, unlabelled=unlabelled),
        source=data,
        text=text,
        label=label,
        identifier=identifier,
        encoding=encoding,
        keep_classes=keep_classes,
        label_separator=label_separator,
    )
    specification = override_split(specification, validation=validation, test=test)
    if specification.data.source is None:
        raise UsageError("give the DATA to train on: a file, a glob, a folder or a named data set.")
    run_and_print(
        specification,
        output=output,
        baselines=baselines,
        resume=resume,
        cache=cache,
        n_workers=workers,
        ray_address=ray,
    )


def demo(output: OutputOption = None) -> None:
    """Train on the bundled synthetic corpus, in which word order decides, and open the report."""
    from sulsul.cli.running import run_and_print
    from sulsul.recipes import load_recipe
    from sulsul.sample import sample_path

    specification = load_recipe("demo")
    data = specification.data.model_copy(update={"source": str(sample_path())})
    run_and_print(specification.model_copy(update={"data": data}), output=output, baselines=True, resume=False)
