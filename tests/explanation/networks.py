"""Small classifiers for explanations; their parameters are random but for what a test sets."""

import numpy as np
import torch

from sulsul.batching import EncodedCorpus
from sulsul.bundle import Bundle
from sulsul.ensemble import Ensemble
from sulsul.model.classifier import Classifier
from sulsul.predictor import Predictor
from sulsul.specification import RunSpecification
from sulsul.text import LabelEncoder, Tokenizer

WORDS = ["정말", "좋다", "나쁘다", "so", "good", "bad", "very", "plot"]
NETWORKS: dict[str, dict[str, object]] = {
    "embedding": {
        "input": {"kind": "embedding", "size": 4},
        "layers": [{"kind": "lstm", "units": 3, "bidirectional": True}, {"kind": "gru", "units": 3}],
    },
    "one-hot": {"input": {"kind": "one-hot"}, "layers": [{"kind": "gru", "units": 3, "bidirectional": True}]},
    "one-hot, one way": {"input": {"kind": "one-hot"}, "layers": [{"kind": "lstm", "units": 3}], "pooling": "last"},
    "no recurrence": {"input": {"kind": "embedding", "size": 4}, "layers": [], "pooling": "mean"},
    "attention": {
        "input": {"kind": "embedding", "size": 4},
        "layers": [{"kind": "simple-rnn", "units": 3}, {"kind": "batch-norm"}, {"kind": "dropout", "rate": 0.5}],
        "pooling": "attention",
        "head": [{"kind": "dense", "units": 4, "activation": "tanh"}],
    },
}


def random_predictor(
    model: dict[str, object], *, n_classes: int = 2, multi_label: bool = False, text: dict[str, object] | None = None
) -> Predictor:
    """Return an untrained classifier in float64, where sums and finite differences are exact enough to compare."""
    values = {"model": model, "text": text or {}, "training": {"threads": 1}}
    specification = RunSpecification.parse(values, where="test")
    tokenizer = Tokenizer.fit([" ".join(WORDS)], specification.text)
    classes = tuple("abcd"[:n_classes])
    classifier = Classifier(
        specification.model,
        vocabulary_size=tokenizer.vocabulary_size,
        n_classes=n_classes,
        multi_label=multi_label,
        pad_to=specification.text.pad_to,
    ).double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for tensor in classifier.state_dict().values():
            tensor.add_((torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype) - 0.4) * 0.8)
    classifier.eval()
    return Predictor(
        Bundle(Ensemble((classifier,)), tokenizer, LabelEncoder(classes, multi_label=multi_label), specification)
    )


def encode(predictor: Predictor, texts: list[str]) -> EncodedCorpus:
    token_ids, offsets = predictor.bundle.tokenizer.encode(texts)
    return EncodedCorpus(np.asarray(token_ids), offsets)
