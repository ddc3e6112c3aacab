"""Logits of many texts at bounded memory."""

import numpy as np
import numpy.typing as npt
import torch

from sulsul.batching import EncodedCorpus, collate
from sulsul.batching.mapped import PageKeeper
from sulsul.model.classifier import Classifier
from sulsul.model.native_network import inference_network, type_arrays
from sulsul.model.packed_batch import PackedBatch

MAX_BATCH_TOKENS = 32_768
"""Most tokens in a batch of more than one text: 32,768 rows of 4 gates of 128 units in float32 are 64 MB."""


def predict_logits(
    classifier: Classifier,
    encoded: EncodedCorpus,
    batch_size: int = 256,
    *,
    max_batch_tokens: int = MAX_BATCH_TOKENS,
) -> npt.NDArray[np.floating]:
    """Return the logits of every text, in the corpus's order.

    Texts of similar length share a batch. The classifier runs in evaluation mode, without gradients, and is left in the
    mode it was in.

    Parameters
    ----------
    classifier
        The network.
    encoded
        Texts as token ids; labels are not looked at.
    batch_size
        Most texts in a batch.
    max_batch_tokens
        Most tokens in a batch; a longer text is a batch of its own.

    Returns
    -------
    numpy.ndarray, shape (B, L)
        L is 1 for a sigmoid output and C otherwise.

    Raises
    ------
    DataError
        If a token id is outside the classifier's vocabulary.
    KernelError
        If the classifier insists on the native backend and it cannot run it.
    """
    kernel = classifier.output.kernel
    logits = torch.empty((len(encoded), kernel.shape[1]), dtype=kernel.dtype).numpy()
    pages = PageKeeper(encoded.token_ids, encoded.types)
    network = inference_network(classifier)
    if network is not None:
        types = type_arrays(encoded.types)
        for rows in batches_by_length(encoded.lengths, batch_size, max_batch_tokens):
            network.predict(encoded.token_ids, encoded.offsets, rows, logits, **types)
            pages.touched(len(rows))
        return logits
    was_training = classifier.training
    classifier.eval()
    try:
        with torch.inference_mode():
            for rows in batches_by_length(encoded.lengths, batch_size, max_batch_tokens):
                logits[rows] = classifier(PackedBatch.from_arrays(collate(encoded, rows))).numpy()
                pages.touched(len(rows))
    finally:
        classifier.train(was_training)
    return logits


def batches_by_length(
    lengths: npt.NDArray[np.integer], batch_size: int, max_batch_tokens: int
) -> list[npt.NDArray[np.int64]]:
    """Cut the rows, longest text first, into batches of limited numbers of texts and tokens.

    Examples
    --------
    >>> [rows.tolist() for rows in batches_by_length(np.array([2, 9, 3, 0, 3]), 3, 6)]
    [[1], [2, 4], [0, 3]]
    """
    order = np.argsort(-lengths.astype(np.int64), kind="stable")
    batches, start = [], 0
    while start < len(order):
        # The longest texts come first, so that memory peaks in the first batch and not at the end of a long run.
        candidates = order[start : start + batch_size]
        n_fitting = int(np.searchsorted(np.cumsum(lengths[candidates]), max_batch_tokens, side="right"))
        end = start + max(1, n_fitting)
        batches.append(order[start:end])
        start = end
    return batches
