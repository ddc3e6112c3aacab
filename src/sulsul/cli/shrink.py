"""``sulsul shrink``."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from sulsul.shrinking import Shrunk

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def parse_size(text: str) -> int:
    """Return a number of bytes.

    Raises
    ------
    UsageError
        If the text is not a positive number with a unit or none.

    Examples
    --------
    >>> parse_size("2MB"), parse_size("1.5 KiB"), parse_size("300")
    (2000000, 1536, 300)
    """
    from sulsul.errors import UsageError

    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]i?|)b?\s*", text.lower())
    size = round(float(found[1]) * _UNITS[found[2]]) if found else 0
    if size < 1:
        raise UsageError(f"--size {text}: write it as 2MB, 500KB or a number of bytes.")
    return size


def shrink(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `train` left.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="SMALL", help="The new folder.")],
    size: Annotated[
        str | None, typer.Option("--size", metavar="2MB", help="Most bytes; without it nothing is left out.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="DATA", help="Where the run's data are, if they have moved.")
    ] = None,
) -> None:
    """Write a smaller copy of a classifier: 8 bits a number, and only the words and n-grams that matter most.

    Prints size and scores before and after, on the run's own validation and test rows.
    """
    from rich.console import Console

    from sulsul.shrinking import shrink_run

    done = shrink_run(run, output, size_bytes=None if size is None else parse_size(size), source=data)
    console = Console()
    _print(console, done)
    console.print(f"written to {output}", highlight=False, soft_wrap=True)


def _print(console: "Console", done: "Shrunk") -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "Before", "After"):
        table.add_column(name, justify="right" if name else "left")
    table.add_row("Bytes", f"{done.size_before:,}", f"{done.size_after:,}")
    table.add_row("Rows of the table", f"{done.rows_before:,}", f"{done.rows_after:,}")
    if done.features_before:
        table.add_row("N-grams of the linear part", f"{done.features_before:,}", f"{done.features_after:,}")
    for scores in done.scores:
        both = (scores.before, scores.after)
        named = f"{scores.split.capitalize()} ({scores.before.n:,} texts)"
        table.add_row(f"{named}: accuracy", *(_shown(each.accuracy, each.accuracy_interval) for each in both))
        table.add_row(f"{named}: macro-F1", *(_shown(each.macro_f1, each.macro_f1_interval) for each in both))
    console.print(table)


def _shown(score: float, interval: tuple[float, float]) -> str:
    return f"{score:.4f} ({interval[0]:.4f}–{interval[1]:.4f})"
