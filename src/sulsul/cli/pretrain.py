"""``sulsul pretrain``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sulsul.cli.options import EncodingOption, SetOption, TextOption, build_specification, override_data
from sulsul.cli.running import say_stopping

if TYPE_CHECKING:
    from rich.console import Console

    from sulsul.pretraining import PretrainingOutcome


def pretrain(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Texts; labels are not read. Also globs, folders.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="ENCODER", help="Folder of the encoder.")],
    text: TextOption = None,
    recipe: Annotated[str | None, typer.Option(help="Whose network to pretrain; see `sulsul recipe list`.")] = None,
    spec: Annotated[Path | None, typer.Option(metavar="FILE", help="A specification in TOML.")] = None,
    settings: SetOption = None,
    minutes: Annotated[
        float | None, typer.Option(help="Time limit; the learning rate falls in its last fifth.")
    ] = None,
    encoding: EncodingOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the interrupted pretraining in ENCODER.")] = False,
) -> None:
    """Learn an encoder from texts without labels, by predicting words in both directions, for `train`."""
    from rich.console import Console

    from sulsul.pretraining import check_can_pretrain, check_folder, collect_texts, texts_of_files
    from sulsul.pretraining import pretrain as pretrain_encoder
    from sulsul.pretraining.progress import PretrainingProgress
    from sulsul.training.interruption import StopOnSignal

    overrides = [*(settings or []), *([] if minutes is None else [f"pretraining.minutes={minutes}"])]
    specification = override_data(build_specification(recipe, spec, overrides), text=text, encoding=encoding)
    check_can_pretrain(specification)
    check_folder(output, resume=resume)
    texts = collect_texts(texts_of_files(files, specification.data))
    with PretrainingProgress() as progress, StopOnSignal(say_stopping) as stop:
        outcome = pretrain_encoder(
            specification,
            texts,
            output,
            resume=resume,
            listener=progress.listener(stop),
        )
    _print_outcome(Console(), outcome, output)


def _print_outcome(console: "Console", outcome: "PretrainingOutcome", output: Path) -> None:
    if outcome.best is None:
        assert outcome.encoder.ngrams is not None
        console.print(
            f"vectors of {len(outcome.encoder.ngrams.vectors):,} n-grams\nencoder: {output}\n"
            f"start from it with: sulsul train DATA --pretrained {output} --set pretraining.transfer=ngrams",
            highlight=False,
            soft_wrap=True,
        )
        return
    how = {"finished": "all steps ran", "early": "stopped early: the held-out loss rose"}[outcome.stopped]
    console.print(
        f"perplexity {outcome.best.perplexity:,.1f} on held-out texts after {outcome.best.n_tokens:,} tokens "
        f"({how})\nencoder: {output}\nstart from it with: sulsul train DATA --pretrained {output}",
        highlight=False,
        soft_wrap=True,
    )
