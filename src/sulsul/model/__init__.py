"""Recurrent classifiers as torch modules, from a specification to logits.

torch is imported when a name that needs it is first asked for; the specification alone stays light.
"""

import importlib
from typing import TYPE_CHECKING, Any

from sulsul.model.specification import (
    BatchNormLayer,
    DenseLayer,
    DropoutLayer,
    EmbeddingInput,
    ModelSpecification,
    OneHotInput,
    RawIdsInput,
    RecurrentLayer,
    SummedEmbeddingInput,
)

if TYPE_CHECKING:
    from sulsul.model.classifier import Classifier
    from sulsul.model.loss import classification_loss
    from sulsul.model.packed_batch import PackedBatch
    from sulsul.model.summary import Summary, summarise

__all__ = [
    "BatchNormLayer",
    "Classifier",
    "DenseLayer",
    "DropoutLayer",
    "EmbeddingInput",
    "ModelSpecification",
    "OneHotInput",
    "PackedBatch",
    "RawIdsInput",
    "RecurrentLayer",
    "Summary",
    "SummedEmbeddingInput",
    "classification_loss",
    "summarise",
]

_HOMES = {
    "Classifier": "classifier",
    "PackedBatch": "packed_batch",
    "Summary": "summary",
    "classification_loss": "loss",
    "summarise": "summary",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
