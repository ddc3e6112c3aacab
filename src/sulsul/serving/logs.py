"""The server's log: one line per request, and never a text unless asked."""

import json
import logging
import traceback
from typing import Any

LOGGER = logging.getLogger("sulsul.serving")
_LONGEST_PATH = 100


def log_request(method: str, path: str, status: int, seconds: float) -> None:
    """Log an answered request; the path is quoted, since a client chose it."""
    quoted = json.dumps(path[:_LONGEST_PATH])
    LOGGER.info("%s %s %d %.1f ms", json.dumps(method)[1:-1], quoted, status, 1000 * seconds)


def log_failure(what: str, error: BaseException) -> None:
    """Log where an unexpected error arose, without its message: it might quote a text."""
    places = "".join(traceback.format_tb(error.__traceback__))
    LOGGER.error("%s: %s\n%s", what, type(error).__name__, places)


def log_texts(texts: list[str]) -> None:
    """Log texts, each as a JSON string, so that none can forge a line."""
    for text in texts:
        LOGGER.info("text %s", json.dumps(text, ensure_ascii=False))


def logging_configuration(level: str = "INFO") -> dict[str, Any]:
    """Return what ``logging.config.dictConfig`` takes: every line to standard error with time and process."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(process)d %(levelname)s %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}},
        "loggers": {
            name: {"handlers": ["stderr"], "level": level, "propagate": False} for name in ("uvicorn", "sulsul.serving")
        },
    }
