"""Influence by gradients, through the network's own backward pass in evaluation mode.

A token enters a network as a row: of the embedding table, a sum of such rows where words have n-grams or, for a one-hot
input, a row of the first layer's kernels. Each
token of the texts is given a row of its own, as if every token occurred once in the vocabulary; the gradient by that
table is then the gradient by each single token, for both inputs alike and through native kernels as they are.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from sulsul.batching import EncodedCorpus, collate
from sulsul.errors import UsageError
from sulsul.explanation.scores import Ids, log_odds
from sulsul.inference import batches_by_length
from sulsul.model.classifier import Classifier
from sulsul.model.packed_batch import PackedBatch
from sulsul.text import WordTypes

FloatArray = npt.NDArray[np.float64]

_BATCH_SIZE = 64
_MAX_BATCH_TOKENS = 8_192  # each token has a row of its own, E floats or D·G·H, twice with its gradient


def gradient_times_input(classifier: Classifier, encoded: EncodedCorpus, targets: Ids) -> FloatArray:
    """Return the influence of every token, shape (N,): the product of its row and the gradient by it.

    The first-order estimate of what the log-odds of the target lose when the row is replaced by zeros (Shrikumar et al.
    2016, "Not just a black box", section 2).

    Parameters
    ----------
    classifier
        The network; left in the mode it was in.
    encoded
        B texts.
    targets : shape (B,)
        The class of each text to explain.

    Raises
    ------
    UsageError
        If the input is ``raw-ids``, whose ids are no rows of anything.
    """
    influences = np.zeros(len(encoded.token_ids))
    for rows in batches_by_length(encoded.lengths, _BATCH_SIZE, _MAX_BATCH_TOKENS):
        part = encoded.select(rows)
        found = _products(classifier, part, targets[rows], np.ones(len(part.token_ids)), None)
        influences[_positions(encoded, rows)] = found
    return influences


def integrated_gradients(
    classifier: Classifier, encoded: EncodedCorpus, targets: Ids, *, n_steps: int = 32
) -> FloatArray:
    """Return the influence of every token, shape (N,), by integrated gradients from all-zero rows.

    Sundararajan et al. 2017, "Axiomatic attribution for deep networks", equation 1, by the Gauss-Legendre rule. The
    influences of a text add up to its log-odds less those of the same number of all-zero rows, but for the error of
    the rule.

    Parameters
    ----------
    classifier, encoded, targets
        As for :func:`gradient_times_input`.
    n_steps
        Number of points between the zero rows and the text.

    Raises
    ------
    UsageError
        As :func:`gradient_times_input` does.
    """
    points, weights = np.polynomial.legendre.leggauss(n_steps)
    alphas, weights = (points + 1.0) / 2.0, weights / 2.0
    influences = np.zeros(len(encoded.token_ids))
    for row in range(len(encoded)):
        length = int(encoded.lengths[row])
        found = np.zeros(length)
        per_batch = max(1, _MAX_BATCH_TOKENS // max(1, length))
        for start in range(0, n_steps, per_batch):
            chosen = slice(start, start + per_batch)
            n_copies = len(alphas[chosen])
            copies = encoded.select(np.full(n_copies, row))
            scale = np.repeat(alphas[chosen], length)
            products = _products(classifier, copies, np.full(n_copies, targets[row]), scale, scale)
            found += weights[chosen] @ products.reshape(n_copies, length)
        influences[encoded.offsets[row] : encoded.offsets[row + 1]] = found
    return influences


def _products(
    classifier: Classifier,
    encoded: EncodedCorpus,
    targets: Ids,
    scale: FloatArray,
    divisor: FloatArray | None,
) -> FloatArray:
    """Return row · gradient of every token in the order of the corpus, with all rows scaled by ``scale``.

    ``divisor`` undoes the scale of the row, not of the place where the gradient is taken.
    """
    if not len(encoded.token_ids):
        return np.zeros(0)
    names = _table_names(classifier)
    parameters = dict(classifier.named_parameters())
    factors = torch.from_numpy(scale).to(classifier.output.kernel.dtype).unsqueeze(1)
    tables = {name: (_rows(parameters[name].detach(), encoded) * factors).requires_grad_() for name in names}
    every_token = encoded.positions()
    if encoded.types is not None:
        n_tokens = len(every_token.token_ids)
        every_token = replace(every_token, types=WordTypes(np.arange(n_tokens + 1), every_token.token_ids))
    batch = PackedBatch.from_arrays(collate(every_token, np.arange(len(encoded), dtype=np.int64)))
    was_training = classifier.training
    classifier.eval()
    try:
        with torch.enable_grad():
            logits: Tensor = functional_call(classifier, tables, (batch,))
            score = log_odds(logits, torch.from_numpy(targets), classifier.output_kind).sum()
            gradients = torch.autograd.grad(score, list(tables.values()))
    finally:
        classifier.train(was_training)
    products = sum(
        (table.detach().double() * gradient.double()).sum(dim=1)
        for table, gradient in zip(tables.values(), gradients, strict=True)
    )
    assert isinstance(products, Tensor)
    found: FloatArray = products.numpy()
    return found if divisor is None else found / divisor


def _rows(table: Tensor, encoded: EncodedCorpus) -> Tensor:
    """Return the row of every token, shape (N, E)."""
    if encoded.types is None:
        return table.index_select(0, torch.from_numpy(encoded.token_ids.astype(np.int64)))
    parts = encoded.types.select(encoded.token_ids)
    part_ids, offsets = torch.from_numpy(parts.part_ids.astype(np.int64)), torch.from_numpy(parts.offsets)
    return functional.embedding_bag(part_ids, table, offsets, mode="sum", include_last_offset=True)


def _table_names(classifier: Classifier) -> list[str]:
    """Return the parameters whose rows stand for tokens."""
    match classifier.specification.input.kind:
        case "embedding" | "summed-embedding":
            return ["input.weight"]
        case "one-hot":
            directions = ("forward_direction", "backward_direction")
            names = [f"layers.0.{direction}.kernel" for direction in directions]
            return [name for name in names if name in dict(classifier.named_parameters())]
        case _:
            raise UsageError(
                "a raw-ids input reads ids as numbers, so there is no gradient by a token; use the method 'occlusion'."
            )


def _positions(encoded: EncodedCorpus, rows: Ids) -> npt.NDArray[np.int32]:
    """Return where the tokens of ``encoded.select(rows)`` stand in ``encoded``."""
    return encoded.positions().select(rows).token_ids
