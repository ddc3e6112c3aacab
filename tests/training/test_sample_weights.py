from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from sulsul.batching import EncodedCorpus
from sulsul.errors import DataError
from sulsul.model.classifier import Classifier
from sulsul.training import TrainingSettings, train_classifier
from sulsul.training.checkpoint import corpora_fingerprint

SETTINGS = TrainingSettings(epochs=3, optimizer="sgd", learning_rate=0.1, patience=None, threads=1, bucket=False)


def trained(classifier: Classifier, train: EncodedCorpus, **settings: object) -> dict[str, torch.Tensor]:
    train_classifier(classifier, train, None, SETTINGS.model_copy(update=settings), classes=("a", "b"))
    return {name: tensor.clone() for name, tensor in classifier.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.allclose(first[name], second[name], atol=1e-5) for name in first)


def test_a_weight_is_a_factor_on_the_loss_of_its_text(
    make_classifier: Callable[..., Classifier], train: EncodedCorpus
) -> None:
    assert train.class_ids is not None
    by_class = np.where(train.class_ids == 1, 3.0, 0.5).astype(np.float32)
    weighted = trained(make_classifier(), replace(train, sample_weights=by_class))
    assert same(weighted, trained(make_classifier(), train, class_weight={"a": 0.5, "b": 3.0}))
    assert not same(weighted, trained(make_classifier(), train))


def test_weights_of_one_change_nothing(make_classifier: Callable[..., Classifier], train: EncodedCorpus) -> None:
    ones = np.ones(len(train), np.float32)
    assert same(trained(make_classifier(), replace(train, sample_weights=ones)), trained(make_classifier(), train))


def test_weights_go_with_their_texts_and_into_the_fingerprint(train: EncodedCorpus) -> None:
    weights = np.arange(len(train), dtype=np.float32)
    weighted = replace(train, sample_weights=weights)
    chosen = weighted.select(np.array([5, 2])).sample_weights
    assert chosen is not None
    assert chosen.tolist() == [5.0, 2.0]
    assert corpora_fingerprint(weighted) != corpora_fingerprint(train)
    for bad in (weights[1:], weights.astype(np.float64)):
        with pytest.raises(DataError, match="sample_weights"):
            replace(train, sample_weights=bad)
