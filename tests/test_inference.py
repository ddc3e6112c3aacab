from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sulsul.batching import EncodedCorpus, collate
from sulsul.errors import DataError
from sulsul.inference import batches_by_length, predict_logits
from sulsul.model.classifier import Classifier
from sulsul.model.packed_batch import PackedBatch
from sulsul.model.specification import (
    DropoutLayer,
    EmbeddingInput,
    ModelSpecification,
    RecurrentLayer,
    SummedEmbeddingInput,
)
from sulsul.text import WordTypes


def corpus(lengths: list[int], seed: int = 0) -> EncodedCorpus:
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    return EncodedCorpus(np.random.default_rng(seed).integers(0, 9, offsets[-1]).astype(np.int32), offsets)


@pytest.fixture
def make_classifier() -> Callable[[], Classifier]:
    def make() -> Classifier:
        specification = ModelSpecification(
            input=EmbeddingInput(size=4),
            layers=(RecurrentLayer(kind="lstm", units=5, bidirectional=True), DropoutLayer(rate=0.5)),
        )
        return Classifier(specification, vocabulary_size=9, n_classes=3)

    return make


@given(
    lengths=st.lists(st.integers(0, 40), max_size=60),
    batch_size=st.integers(1, 9),
    max_batch_tokens=st.integers(1, 100),
)
def test_batches_hold_every_row_once_within_the_limits(
    lengths: list[int], batch_size: int, max_batch_tokens: int
) -> None:
    array = np.array(lengths, np.int64)
    batches = batches_by_length(array, batch_size, max_batch_tokens)
    assert sorted(row for batch in batches for row in batch.tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert 1 <= len(batch) <= batch_size
        assert len(batch) == 1 or array[batch].sum() <= max_batch_tokens
    flat = [lengths[row] for batch in batches for row in batch.tolist()]
    assert flat == sorted(flat, reverse=True)


def test_logits_come_in_the_callers_order(make_classifier: Callable[[], Classifier]) -> None:
    classifier, texts = make_classifier().eval(), corpus([3, 0, 7, 1, 7, 2])
    logits = predict_logits(classifier, texts, 2, max_batch_tokens=8)
    assert logits.shape == (6, 3)
    for row in range(6):
        alone = classifier(PackedBatch.from_arrays(collate(texts, np.array([row]))))
        np.testing.assert_allclose(logits[row], alone.detach().numpy()[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cell", ["simple-rnn", "lstm"])
def test_summed_words_natively_and_with_torch(cell: str) -> None:
    rng, n = np.random.default_rng(4), 40
    offsets = np.cumsum([0, *rng.integers(1, 7, 9)])
    types = WordTypes(offsets, rng.integers(0, 50, offsets[-1]).astype(np.int32))
    texts = replace(corpus([int(length) for length in rng.integers(0, 30, n)]), types=types)
    layers = (RecurrentLayer.model_validate({"kind": cell, "units": 6, "bidirectional": True}),)
    specification = ModelSpecification(input=SummedEmbeddingInput(size=20, initial_limit=0.5), layers=layers)
    network, reference = (
        Classifier(specification, vocabulary_size=50, n_classes=3, backend=backend) for backend in ("native", "torch")
    )
    logits = predict_logits(network, texts, 7)
    np.testing.assert_allclose(logits, predict_logits(reference, texts), rtol=1e-5, atol=1e-5)
    for row in range(n):
        assert np.array_equal(predict_logits(network, texts.select(np.array([row])))[0], logits[row])
    with pytest.raises(DataError, match="a summed embedding reads texts with word types"):
        predict_logits(network, corpus([2]))


def test_no_texts_give_no_logits(make_classifier: Callable[[], Classifier]) -> None:
    assert predict_logits(make_classifier(), corpus([])).shape == (0, 3)


def test_the_mode_is_left_and_dropout_is_off(make_classifier: Callable[[], Classifier]) -> None:
    classifier, texts = make_classifier().train(), corpus([3, 4])
    assert np.array_equal(predict_logits(classifier, texts), predict_logits(classifier, texts))
    assert classifier.training
    assert all(parameter.grad is None and not parameter.is_inference() for parameter in classifier.parameters())
    beyond = EncodedCorpus(np.array([99], np.int32), np.array([0, 1]))
    with pytest.raises(DataError, match="vocabulary"):
        predict_logits(classifier, beyond)
    assert classifier.training
    assert not torch.is_inference_mode_enabled()
