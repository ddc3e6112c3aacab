"""Recurrent text classifiers you can trust."""

from importlib.metadata import version

__version__ = version("sulsul")

__all__ = ["__version__"]
