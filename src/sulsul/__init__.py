"""Recurrent text classifiers you can trust."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sulsul.estimator import RecurrentTextClassifier
    from sulsul.explanation import explain
    from sulsul.predictor import Predictor

__version__ = version("sulsul")

__all__ = ["Predictor", "RecurrentTextClassifier", "__version__", "explain"]

# Imported on first use: torch and scikit-learn take seconds, and `sulsul --help` needs neither.
_MODULES = {"Predictor": "predictor", "RecurrentTextClassifier": "estimator", "explain": "explanation"}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
