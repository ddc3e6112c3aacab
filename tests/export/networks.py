"""Small classifiers of every kind, with weights large enough that a mistake shows."""

import numpy as np
import torch

from sulsul.bundle import Bundle
from sulsul.ensemble import Ensemble
from sulsul.model.classifier import Classifier
from sulsul.predictor import Predictor
from sulsul.specification import RunSpecification
from sulsul.text import LabelEncoder, Tokenizer

TEXTS = [f"word{k} 낱말{k} it's" for k in range(12)]


def random_predictor(*, n_classes: int = 3, multi_label: bool = False, **sections: object) -> Predictor:
    """Return an untrained classifier with a fitted tokenizer; every parameter and statistic is random."""
    values = {"training": {"threads": 1}, **sections}
    specification = RunSpecification.parse(values, where="test")
    tokenizer = Tokenizer.fit(TEXTS, specification.text)
    classes = tuple(f"class {k}" for k in range(n_classes))
    classifier = Classifier(
        specification.model,
        vocabulary_size=tokenizer.vocabulary_size,
        n_classes=n_classes,
        multi_label=multi_label,
        pad_to=specification.text.pad_to,
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in classifier.state_dict().values():
            tensor.add_((torch.rand(tensor.shape, generator=generator) - 0.4) * 0.5)
    classifier.eval()
    return Predictor(
        Bundle(Ensemble((classifier,)), tokenizer, LabelEncoder(classes, multi_label=multi_label), specification)
    )


def ragged(n: int = 9) -> list[str]:
    """Return texts of many lengths, empty ones among them."""
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(TEXTS, size=length)) for length in range(n)]
    return ["", *texts, "unknown words only"]
