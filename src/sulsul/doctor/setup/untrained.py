"""What an untrained network says: chance, and the same thing twice."""

from collections.abc import Iterator

import numpy as np
import torch

from sulsul.batching import EncodedCorpus
from sulsul.doctor.setup.evidence import SetupEvidence
from sulsul.doctor.setup.forward import logits_of
from sulsul.findings import Finding

_PROBED_TEXTS = 64
_FAR = 0.3
_ROUNDING = 1e-3


def find_odd_initial_loss(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find a first loss far from ln C, the loss of knowing nothing."""
    sample, classifier = _sample(evidence), evidence.classifier
    if evidence.trained or sample is None or sample.class_ids is None or sample.class_ids.ndim == 2:
        return
    logits = torch.from_numpy(logits_of(classifier, sample)).double()
    loss = float(classifier.loss(logits, torch.from_numpy(sample.class_ids)))
    expected = float(np.log(classifier.n_classes))
    if abs(loss - expected) <= _FAR * max(1.0, expected):
        return
    yield Finding(
        check="initial-loss",
        severity="warning",
        what=f"Before training the loss is {loss:.2f}; a network that knows nothing yet has ln {classifier.n_classes} "
        f"= {expected:.2f}.",
        why="The network is already sure of wrong answers: its inputs or weights are too large, or the loss does not "
        "fit the output (a double softmax).",
        remedy="Check that ids go through an embedding, and that initial weights and vectors are small.",
        evidence={"loss": round(loss, 4), "expected": round(expected, 4), "texts": len(sample)},
    )


def find_varying_predictions(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find a network whose answer changes from one call to the next, or with the texts beside it."""
    sample = _sample(evidence)
    if sample is None:
        return
    first, second = (logits_of(evidence.classifier, sample) for _ in range(2))
    alone = logits_of(evidence.classifier, sample, batch_size=1)
    change, company = float(np.abs(first - second).max()), float(np.abs(first - alone).max())
    scale = max(1.0, float(np.abs(first).max()))
    if change <= _ROUNDING * scale and company <= _ROUNDING * scale:
        return
    random = change > _ROUNDING * scale
    yield Finding(
        check="prediction-varies",
        severity="error",
        what="The same texts get different answers on a second call."
        if random
        else "A text's answer depends on the texts it is classified together with.",
        why="Dropout or batch normalisation is still in training mode: predictions are partly drawn at random.",
        remedy="Put the network into evaluation mode before it predicts (classifier.eval()).",
        evidence={"change_between_calls": round(change, 6), "change_by_company": round(company, 6)},
    )


def _sample(evidence: SetupEvidence) -> EncodedCorpus | None:
    encoded = evidence.data.train.encoded
    if not len(encoded):
        return None
    step = max(1, len(encoded) // _PROBED_TEXTS)
    return encoded.select(np.arange(0, len(encoded), step)[:_PROBED_TEXTS])
