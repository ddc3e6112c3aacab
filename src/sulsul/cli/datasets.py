"""``sulsul datasets list|get``."""

import typer

datasets_app = typer.Typer(help="Named public data sets.", no_args_is_help=True)


@datasets_app.command("list")
def list_datasets() -> None:
    """Print the data sets that can be fetched by name."""
    from rich.console import Console
    from rich.table import Table

    from sulsul.corpora.datasets import DATASETS

    table = Table("name", "description", box=None)
    for name, dataset in DATASETS.items():
        table.add_row(name, dataset.description)
    Console().print(table)


@datasets_app.command()
def get(name: str) -> None:
    """Fetch a data set from its official address into the cache, verified and resumable."""
    from sulsul.corpora.datasets import get_dataset

    typer.echo(f"{name} is at {get_dataset(name)}")
