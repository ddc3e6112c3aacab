"""A classifier of summed words against the same one with a row for every word of the text."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.explanation.networks import random_predictor

from sulsul.ensemble import Ensemble
from sulsul.explanation.gradients import gradient_times_input, integrated_gradients
from sulsul.inference import predict_logits
from sulsul.model.classifier import Classifier
from sulsul.model.specification import ModelSpecification

LAYERS = [{"kind": "lstm", "units": 3, "bidirectional": True}]
TEXTS = ["정말 좋았다 so good", "", "goods 정말 정말 zq"]


def test_influences_are_those_of_a_row_for_every_word() -> None:
    summed = random_predictor(
        {"input": {"kind": "summed-embedding", "size": 4}, "layers": LAYERS}, text={"ngrams": [1, 3]}, n_classes=3
    )
    encoded = summed.encode(TEXTS)
    types, state = encoded.types, summed.bundle.classifier.state_dict()
    assert types is not None
    model = ModelSpecification.model_validate({"input": {"kind": "embedding", "size": 4}, "layers": LAYERS})
    plain = Classifier(model, vocabulary_size=len(types), n_classes=3).double().eval()
    parts = np.split(types.part_ids, types.offsets[1:-1])
    rows = torch.stack([state["input.weight"][torch.from_numpy(part).long()].sum(dim=0) for part in parts])
    plain.load_state_dict({**state, "input.weight": rows})
    words = replace(encoded, types=None)
    targets = np.array([0, 1, 2])
    classifier = summed.bundle.classifier
    assert predict_logits(classifier, encoded) == pytest.approx(predict_logits(plain, words), abs=1e-12)
    for method in (gradient_times_input, integrated_gradients):
        found = method(summed.bundle.ensemble, encoded, targets).tokens
        assert found == pytest.approx(method(Ensemble((plain,)), words, targets).tokens, abs=1e-12)
