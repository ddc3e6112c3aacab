"""All of ``keras.layers``, with ours for the recurrent ones."""

from typing import Any

from sulsul.keras.bidirectional import Bidirectional
from sulsul.keras.installed import keras
from sulsul.keras.recurrent import GRU, LSTM, SimpleRNN

__all__ = ["GRU", "LSTM", "Bidirectional", "SimpleRNN"]


def __getattr__(name: str) -> Any:
    return getattr(keras.layers, name)


def __dir__() -> list[str]:
    return sorted({*dir(keras.layers), *__all__})
