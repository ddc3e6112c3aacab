"""``sulsul recipe list|show|run``."""

from typing import Annotated

import typer

from sulsul.cli.options import OutputOption, SetOption, build_specification, override_data

recipe_app = typer.Typer(help="The experiments of the reference notebooks, by name.", no_args_is_help=True)


@recipe_app.command("list")
def list_recipes() -> None:
    """Print every recipe with its description."""
    from rich.console import Console
    from rich.table import Table

    from sulsul.recipes import load_recipe, recipe_names

    table = Table("recipe", "description", box=None)
    for name in recipe_names():
        table.add_row(name, load_recipe(name).description)
    Console().print(table)


@recipe_app.command()
def show(name: str) -> None:
    """Print a recipe as TOML: a starting point for a specification of your own."""
    from sulsul.recipes import load_recipe

    typer.echo(load_recipe(name).to_toml(), nl=False)


@recipe_app.command()
def run(
    name: str,
    data: Annotated[str | None, typer.Argument(metavar="DATA", help="Instead of the recipe's own data set.")] = None,
    output: OutputOption = None,
    settings: SetOption = None,
    baselines: Annotated[bool, typer.Option(help="Also fit the linear baselines.")] = True,
) -> None:
    """Run a recipe, on its own data set or on DATA."""
    from sulsul.cli.running import run_and_print

    specification = override_data(build_specification(name, None, settings), source=data)
    run_and_print(specification, output=output, baselines=baselines, resume=False)
