"""Running the application: one process or several, on one socket, until a signal."""

import gc
import math
import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pydantic import SecretStr

from sulsul.errors import UsageError
from sulsul.serving.logs import LOGGER, logging_configuration
from sulsul.serving.settings import ServingSettings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from uvicorn import Config

    from sulsul.predictor import Predictor


def serve(folder: Path, settings: ServingSettings, api_key: SecretStr | None = None) -> None:
    """Serve a run until SIGINT or SIGTERM; requests that were accepted are answered before it returns.

    Parameters
    ----------
    folder
        Folder that ``train`` left.
    settings
        Address, workers and limits.
    api_key
        What clients must send; None lets everybody ask.

    Raises
    ------
    BundleError
        If the folder is not a trained classifier.
    UsageError
        If the address cannot be listened on.
    """
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    listening = listen(settings)
    try:
        if settings.workers == 1:
            application = load_application(folder, settings, api_key)
            config = _configuration(application, settings)
            _announce(folder, settings, listening, api_key)
            uvicorn.Server(config).run(sockets=[listening])
            return
        with TemporaryDirectory(prefix="sulsul-metrics-") as metrics_folder:
            # Read by prometheus_client when the workers, fresh processes, import it: their counters become files here.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics_folder
            # Once here too, so that a broken run is refused with a message instead of workers that die in a loop.
            _load_predictor(folder, settings)
            config = _configuration(partial(load_application, folder, settings, api_key), settings)
            _announce(folder, settings, listening, api_key)
            Multiprocess(config, sockets=[listening]).run()
    except KeyboardInterrupt:
        return  # how a server is meant to be ended from a terminal
    finally:
        listening.close()


def load_application(folder: Path, settings: ServingSettings, api_key: SecretStr | None) -> "FastAPI":
    """Load a run and build its application: what each worker does."""
    from sulsul.serving.application import create_application

    application = create_application(_load_predictor(folder, settings), settings, api_key)
    # Garbage collections would visit every object of torch again and again: under load they stopped the server for
    # 300 ms at a time, and the 99th percentile of 16 connections was 315 ms in place of 33.
    gc.collect()
    gc.freeze()
    return application


def _load_predictor(folder: Path, settings: ServingSettings) -> "Predictor":
    import torch

    from sulsul.kernels.native import set_thread_count
    from sulsul.predictor import Predictor

    set_thread_count(settings.threads)
    torch.set_num_threads(settings.threads)
    return Predictor.load(folder)


def listen(settings: ServingSettings) -> socket.socket:
    """Return a listening socket that worker processes inherit.

    Raises
    ------
    UsageError
        If the address is taken, not this machine's, or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"--host {settings.host}: {error.strerror}.") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise UsageError(
            f"{settings.host}, port {settings.port}: {error.strerror}; choose another with --host or --port."
        ) from None
    listening.set_inheritable(True)
    return listening


def _configuration(application: "FastAPI | Callable[[], FastAPI]", settings: ServingSettings) -> "Config":
    import uvicorn

    return uvicorn.Config(
        application,
        factory=isinstance(application, partial),
        workers=settings.workers,
        lifespan="on",
        access_log=False,
        server_header=False,
        log_config=logging_configuration(),
        limit_concurrency=settings.max_connections,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_s),
        ws="none",
    )


def _announce(folder: Path, settings: ServingSettings, listening: socket.socket, api_key: SecretStr | None) -> None:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    LOGGER.info("serving %s at http://%s:%d with %d worker(s)", folder, shown, port, settings.workers)
    if not settings.on_loopback and api_key is None:
        LOGGER.warning(
            "anybody who reaches this address may use the model: set SULSUL_API_KEY or --api-key-file, and put TLS "
            "in front"
        )
