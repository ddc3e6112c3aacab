"""``sulsul cache``."""

from pathlib import Path
from typing import Annotated

import typer


def cache(
    folder: Annotated[
        Path | None, typer.Option("--cache", metavar="DIR", help="Default: $SULSUL_CACHE, else ~/.cache/sulsul.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove what no process is building.")] = False,
) -> None:
    """Say what large corpora take on disk: texts about as much as the source, ids 4 bytes a token; or remove them.

    Named data sets are in the same place and are not touched; see `sulsul datasets`.
    """
    from sulsul.cache import cached_sizes, clear_cache, corpora_folder

    root = corpora_folder(folder)
    if clear:
        removed, kept = clear_cache(root)
        typer.echo(f"{root}: {len(removed)} removed, {sum(removed.values()) / 1e6:,.1f} MB")
        for name in kept:
            typer.echo(f"{name}: kept, another process is using it")
        return
    sizes = cached_sizes(root)
    for name, size_bytes in sizes.items():
        typer.echo(f"{size_bytes / 1e6:12,.1f} MB  {name}")
    typer.echo(f"{root}: {len(sizes)} entries, {sum(sizes.values()) / 1e6:,.1f} MB")
