"""A torch step on words that are sums moves the rows of their parts."""

import numpy as np
import pytest
import torch

from sulsul.batching import EncodedCorpus
from sulsul.model.classifier import Classifier
from sulsul.model.specification import ModelSpecification, RecurrentLayer, SummedEmbeddingInput
from sulsul.text import WordTypes
from sulsul.training.objective import Objective
from sulsul.training.settings import TrainingSettings
from sulsul.training.step import TorchStep

TYPES = WordTypes(np.array([0, 1, 3, 5, 6]), np.array([0, 7, 4, 7, 9, 2], np.int32))
CORPUS = EncodedCorpus(np.array([1, 2, 3], np.int32), np.array([0, 2, 3]), np.array([0, 1]), types=TYPES)


@pytest.mark.parametrize(("lazy", "moved"), [(True, [4, 7, 9]), (False, list(range(12)))])
@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop", "sgd"])
def test_a_lazy_step_moves_the_parts_of_the_batch_only(optimizer: str, lazy: bool, moved: list[int]) -> None:
    model = ModelSpecification(input=SummedEmbeddingInput(size=3), layers=(RecurrentLayer(kind="gru", units=2),))
    classifier = Classifier(model, vocabulary_size=12, n_classes=2)
    settings = TrainingSettings.model_validate(
        {"optimizer": optimizer, "lazy_embedding": lazy, "weight_decay": 0.1, "learning_rate": 0.01}
    )
    before = classifier.input.weight.detach().clone()
    TorchStep(classifier, Objective(classifier.output_kind), settings).run(
        CORPUS, np.array([0]), learning_rate=0.01, step=0
    )
    changed = (classifier.input.weight.detach() != before).all(dim=1)
    assert torch.nonzero(changed).squeeze(1).tolist() == moved
