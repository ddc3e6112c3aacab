"""``sulsul serve``."""

from pathlib import Path
from typing import Annotated

import typer


def serve(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `train` left.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default is reachable from this machine only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.")] = 8000,
    workers: Annotated[int, typer.Option(help="Processes, each with the model in memory.")] = 1,
    api_key_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Clients must send the key in FILE (or SULSUL_API_KEY) as a bearer token."),
    ] = None,
    log_texts: Annotated[bool, typer.Option("--log-texts", help="Write the texts to the log.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any limit, e.g. max_texts=100. May be repeated."),
    ] = None,
    show_settings: Annotated[bool, typer.Option("--show-settings", help="Print every limit and exit.")] = False,
) -> None:
    """Answer predictions and explanations over HTTP, with a page to try the classifier on.

    POST /predict and /explain; GET / (the page), /model, /healthz, /readyz, /metrics and /openapi.json.
    """
    from sulsul.errors import UsageError

    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UsageError(f"serving needs {error.name}: pip install 'sulsul[serve]'.") from None

    from sulsul.serving.authentication import read_api_key
    from sulsul.serving.server import serve as serve_run
    from sulsul.serving.settings import ServingSettings

    chosen = ServingSettings().with_overrides(
        [f"host={host}", f"port={port}", f"workers={workers}", f"log_texts={log_texts}", *(settings or ())]
    )
    if show_settings:
        for name, field in ServingSettings.model_fields.items():
            typer.echo(f"{name}={getattr(chosen, name)}  # {field.description}")
        return
    serve_run(run, chosen, read_api_key(api_key_file))
