import numpy as np
import pytest
import torch

from sulsul.batching import EncodedCorpus, collate
from sulsul.errors import DataError
from sulsul.model.classifier import Classifier
from sulsul.model.packed_batch import PackedBatch
from sulsul.model.specification import (
    EmbeddingInput,
    ModelSpecification,
    RecurrentLayer,
    SummedEmbeddingInput,
)
from sulsul.text.word_types import WordTypes
from sulsul.training.batch_table import BatchTable, touched_rows
from sulsul.training.objective import Objective
from sulsul.training.settings import TrainingSettings
from sulsul.training.step import TorchStep

TYPES = WordTypes(np.array([0, 2, 3, 6]), np.array([7, 2, 2, 4, 9, 9], np.int32))
INPUTS = (EmbeddingInput(size=4), SummedEmbeddingInput(size=4))


def network(source: EmbeddingInput | SummedEmbeddingInput) -> Classifier:
    model = ModelSpecification(input=source, layers=(RecurrentLayer(kind="gru", units=3),))
    return Classifier(model, vocabulary_size=10, n_classes=2, seed=1).train()


def corpus(source: EmbeddingInput | SummedEmbeddingInput) -> EncodedCorpus:
    ids, offsets, class_ids = np.array([0, 2, 2, 1], np.int32), np.array([0, 2, 2, 4]), np.array([0, 1, 1])
    return EncodedCorpus(ids, offsets, class_ids, types=TYPES if source.kind == "summed-embedding" else None)


@pytest.mark.parametrize("source", INPUTS)
def test_logits_and_gradients_are_those_of_the_whole_table(source: EmbeddingInput | SummedEmbeddingInput) -> None:
    classifier = network(source)
    batch = PackedBatch.from_arrays(collate(corpus(source), np.arange(3)))
    whole = classifier.input.weight
    assert isinstance(whole, torch.nn.Parameter)
    expected = classifier(batch)
    expected.square().sum().backward()
    table = BatchTable(whole, touched_rows(batch))
    with table.in_place(classifier):
        found = classifier(table.renumbered(batch))
    found.square().sum().backward()
    assert classifier.input.weight is whole
    assert torch.equal(found, expected)
    assert whole.grad is not None
    torch.testing.assert_close(table.parameter.grad, whole.grad[table.rows])
    rest = torch.ones(10, dtype=torch.bool)
    rest[table.rows] = False
    assert not whole.grad[rest].any()


def test_ids_beyond_the_table_are_refused_and_the_table_is_put_back() -> None:
    source = EmbeddingInput(size=4)
    classifier = network(source)
    weight = classifier.input.weight
    texts = corpus(source)
    beyond = EncodedCorpus(texts.token_ids + np.int32(9), texts.offsets, texts.class_ids)
    step = TorchStep(classifier, Objective("sigmoid", None), TrainingSettings(lazy_embedding=True))
    with pytest.raises(DataError, match="vocabulary has ids 0 to 9"):
        step.run(beyond, np.arange(3), learning_rate=0.1, step=0)
    unlabelled = EncodedCorpus(texts.token_ids, texts.offsets)
    with pytest.raises(ValueError, match="no labels"):
        step.run(unlabelled, np.arange(3), learning_rate=0.1, step=0)
    assert classifier.input.weight is weight
