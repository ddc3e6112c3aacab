"""The commands and their options; each calls one function of the package and prints what it returns."""

import typer

from sulsul.cli.cache import cache
from sulsul.cli.compare import compare
from sulsul.cli.datasets import datasets_app
from sulsul.cli.doctor import doctor
from sulsul.cli.evaluate import evaluate
from sulsul.cli.explain import explain
from sulsul.cli.export import export
from sulsul.cli.import_keras import import_keras
from sulsul.cli.predict import predict
from sulsul.cli.pretrain import pretrain
from sulsul.cli.recipe import recipe_app
from sulsul.cli.serve import serve
from sulsul.cli.shrink import shrink
from sulsul.cli.suggest import suggest
from sulsul.cli.train import demo, train

app = typer.Typer(
    name="sulsul",
    help="Recurrent text classifiers you can trust: fast on the CPU, judged honestly.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(value: bool) -> None:
    if value:
        from sulsul import __version__

        typer.echo(f"sulsul {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Print the version."),
) -> None:
    del version


app.command()(demo)
app.command()(train)
app.command()(pretrain)
app.command()(compare)
app.command()(evaluate)
app.command()(predict)
app.command()(suggest)
app.command()(explain)
app.command()(export)
app.command()(shrink)
app.command()(import_keras)
app.command()(doctor)
app.command()(serve)
app.command()(cache)
app.add_typer(recipe_app, name="recipe")
app.add_typer(datasets_app, name="datasets")
