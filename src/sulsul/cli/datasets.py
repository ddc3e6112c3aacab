"""``sulsul datasets list|get``."""

import typer

datasets_app = typer.Typer(help="Named public data sets.", no_args_is_help=True)


@datasets_app.command("list")
def list_datasets() -> None:
    """Print the data sets that can be fetched by name."""
    from rich.console import Console
    from rich.table import Table

    from sulsul.corpora.datasets import DATASETS

    table = Table("name", "description", "checksum", box=None)
    for name, dataset in DATASETS.items():
        table.add_row(name, dataset.description, "published" if dataset.pinned else "of the first download")
    Console().print(table)


@datasets_app.command()
def get(name: str) -> None:
    """Fetch a data set from its official address into the cache, verified and resumable."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    from sulsul.corpora.datasets import get_dataset, named_dataset

    dataset = named_dataset(name)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(file: str, done_bytes: int, total_bytes: int | None) -> None:
            if file not in tasks:
                tasks[file] = bars.add_task(file)
            bars.update(tasks[file], completed=done_bytes, total=total_bytes)

        path = get_dataset(name, progress=show)
    typer.echo(f"{name} is at {path}")
    if not dataset.pinned:
        typer.echo("No checksum is published for it: the one of the first download was recorded and must match later.")
