"""A toy task in which only the order of two tokens decides."""

from collections.abc import Callable

import numpy as np
import pytest

from sulsul.batching import EncodedCorpus
from sulsul.model.classifier import Classifier
from sulsul.model.specification import DropoutLayer, EmbeddingInput, ModelSpecification, RecurrentLayer

VOCABULARY_SIZE = 8


def order_corpus(n_texts: int, seed: int) -> EncodedCorpus:
    """Texts of noise tokens 3..7 that hold a 1 and a 2 once each; class 1 if the 1 comes first. One text is empty."""
    rng = np.random.default_rng(seed)
    texts, class_ids = [np.empty(0, np.int32)], [0]
    for _ in range(n_texts - 1):
        text = rng.integers(3, VOCABULARY_SIZE, rng.integers(2, 9)).astype(np.int32)
        first, second = np.sort(rng.choice(len(text), 2, replace=False))
        class_id = int(rng.integers(2))
        text[first], text[second] = (1, 2) if class_id else (2, 1)
        texts.append(text)
        class_ids.append(class_id)
    offsets = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    return EncodedCorpus(np.concatenate(texts), offsets, np.array(class_ids, np.int64))


def tiny_specification(*, dropout: float = 0.0) -> ModelSpecification:
    layers: tuple[RecurrentLayer | DropoutLayer, ...] = (RecurrentLayer(kind="gru", units=8),)
    head = (DropoutLayer(rate=dropout),) if dropout else ()
    return ModelSpecification(input=EmbeddingInput(size=6), layers=layers, head=head)


@pytest.fixture
def train() -> EncodedCorpus:
    return order_corpus(160, seed=1)


@pytest.fixture
def validation() -> EncodedCorpus:
    return order_corpus(60, seed=2)


@pytest.fixture(params=["torch", "auto"])
def make_classifier(request: pytest.FixtureRequest) -> Callable[..., Classifier]:
    def make(*, dropout: float = 0.0, seed: int = 0) -> Classifier:
        specification = tiny_specification(dropout=dropout)
        return Classifier(specification, vocabulary_size=VOCABULARY_SIZE, n_classes=2, seed=seed, backend=request.param)

    return make
