"""The logits of a few texts, straight from the network's own forward pass."""

import numpy as np
import numpy.typing as npt
import torch

from sulsul.batching import EncodedCorpus, collate
from sulsul.model.classifier import Classifier
from sulsul.model.packed_batch import PackedBatch


def logits_of(
    classifier: Classifier, encoded: EncodedCorpus, *, batch_size: int | None = None
) -> npt.NDArray[np.floating]:
    """Return logits (B, L) in evaluation mode, without gradients; the network is left in the mode it was in.

    ``batch_size`` None puts all texts into one batch.
    """
    was_training = classifier.training
    classifier.eval()
    rows = np.arange(len(encoded), dtype=np.int64)
    size = batch_size or max(1, len(rows))
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    try:
        with torch.inference_mode():
            parts = [classifier(PackedBatch.from_arrays(collate(encoded, batch))) for batch in batches]
    finally:
        classifier.train(was_training)
    logits: npt.NDArray[np.floating] = torch.cat(parts).numpy()
    return logits
