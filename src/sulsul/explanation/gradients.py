"""Influence by gradients, through the network's own backward pass in evaluation mode.

A token enters a network as a row: of the embedding table, a sum of such rows where words have n-grams or, for a one-hot
input, a row of the first layer's kernels. Each
token of the texts is given a row of its own, as if every token occurred once in the vocabulary; the gradient by that
table is then the gradient by each single token, for both inputs alike and through native kernels as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from sulsul.batching import EncodedCorpus, collate
from sulsul.ensemble import Ensemble, fit_to_output
from sulsul.errors import UsageError
from sulsul.explanation.scores import Ids, log_odds
from sulsul.inference import batches_by_length
from sulsul.model.classifier import Classifier
from sulsul.model.packed_batch import PackedBatch
from sulsul.text import WordTypes

FloatArray = npt.NDArray[np.float64]

_BATCH_SIZE = 64
_MAX_BATCH_TOKENS = 8_192  # each token has a row of its own, E floats or D·G·H, twice with its gradient


@dataclass(frozen=True, eq=False)
class Gradients:
    """Influences by gradients.

    Attributes
    ----------
    tokens
        float64 (N,): of every token, through the networks.
    by_logit
        float64 (B, L): gradient of the score by the logits of the whole answer, which is where a linear part enters;
        for integrated gradients its mean over the path.
    """

    tokens: FloatArray
    by_logit: FloatArray


@dataclass(frozen=True, eq=False)
class LinearLogits:
    """Logits (B, L) of a linear part, and those (L,) of a text without a known n-gram."""

    logits: FloatArray
    intercepts: FloatArray

    @classmethod
    def of(cls, ensemble: Ensemble, texts: Sequence[str]) -> "LinearLogits | None":
        """Read texts; None without a linear part."""
        logits = ensemble.linear_logits(texts)
        if logits is None or ensemble.linear is None:
            return None
        intercepts = ensemble.linear.scale * ensemble.linear.intercepts.astype(np.float64)
        return cls(logits, fit_to_output(intercepts[None], ensemble.output_kind)[0])

    def at(self, rows: Ids, scale: FloatArray) -> FloatArray:
        """Return the logits of some texts with their n-grams' values scaled by one number (R,) per text."""
        return self.intercepts + scale[:, None] * (self.logits[rows] - self.intercepts)


def gradient_times_input(
    ensemble: Ensemble, encoded: EncodedCorpus, targets: Ids, linear: LinearLogits | None = None
) -> Gradients:
    """Return the influence of every token: the product of its rows and the gradients by them.

    The first-order estimate of what the log-odds of the target lose when the row is replaced by zeros (Shrikumar et al.
    2016, "Not just a black box", section 2), through all networks of the answer at once.

    Parameters
    ----------
    ensemble
        What answers; its networks are left in the mode they were in.
    encoded
        B texts.
    targets : shape (B,)
        The class of each text to explain.
    linear
        Of the same texts, where there is a linear part.

    Raises
    ------
    UsageError
        If the input is ``raw-ids``, whose ids are no rows of anything.
    """
    influences, by_logit = np.zeros(len(encoded.token_ids)), np.zeros((len(encoded), _n_logits(ensemble)))
    for rows in batches_by_length(encoded.lengths, _BATCH_SIZE, _MAX_BATCH_TOKENS):
        part = encoded.select(rows)
        known = None if linear is None else linear.at(rows, np.ones(len(rows)))
        found = _products(ensemble, part, targets[rows], np.ones(len(part.token_ids)), known)
        influences[_positions(encoded, rows)] = found.tokens
        by_logit[rows] = found.by_logit
    return Gradients(influences, by_logit)


def integrated_gradients(
    ensemble: Ensemble,
    encoded: EncodedCorpus,
    targets: Ids,
    linear: LinearLogits | None = None,
    *,
    n_steps: int = 32,
) -> Gradients:
    """Return the influence of every token by integrated gradients from all-zero rows and no known n-gram.

    Sundararajan et al. 2017, "Axiomatic attribution for deep networks", equation 1, by the Gauss-Legendre rule. The
    influences of a text, with those of a linear part, add up to its log-odds less those of the same number of all-zero
    rows, but for the error of the rule.

    Parameters
    ----------
    ensemble, encoded, targets, linear
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
    influences, by_logit = np.zeros(len(encoded.token_ids)), np.zeros((len(encoded), _n_logits(ensemble)))
    for row in range(len(encoded)):
        length = int(encoded.lengths[row])
        found = np.zeros(length)
        per_batch = max(1, _MAX_BATCH_TOKENS // max(1, length))
        for start in range(0, n_steps, per_batch):
            chosen = slice(start, start + per_batch)
            rows = np.full(len(alphas[chosen]), row)
            scale = np.repeat(alphas[chosen], length)
            known = None if linear is None else linear.at(rows, alphas[chosen])
            here = _products(ensemble, encoded.select(rows), targets[rows], scale, known)
            # Undo the scale of the row, not of the place where the gradient is taken.
            found += weights[chosen] @ (here.tokens / scale).reshape(len(rows), length)
            by_logit[row] += weights[chosen] @ here.by_logit
        influences[encoded.offsets[row] : encoded.offsets[row + 1]] = found
    return Gradients(influences, by_logit)


def _products(
    ensemble: Ensemble, encoded: EncodedCorpus, targets: Ids, scale: FloatArray, linear: FloatArray | None
) -> Gradients:
    """Return row · gradient of every token in the order of the corpus, with all rows scaled by ``scale``."""
    tables = [_tables(member, encoded, scale) for member in ensemble.members]
    leaves = [table for named in tables for table in named.values()]
    batch = _batch_of_rows(encoded)
    was_training = [member.training for member in ensemble.members]
    try:
        with torch.enable_grad():
            logits = [
                functional_call(member.eval(), named, (batch,)).double()
                for member, named in zip(ensemble.members, tables, strict=True)
            ]
            whole = _combined(ensemble, logits, linear)
            score = log_odds(whole, torch.from_numpy(targets), ensemble.output_kind).sum()
            # Texts without a token leave no trace of a table.
            *gradients, by_logit = torch.autograd.grad(score, [*leaves, whole], allow_unused=True)
    finally:
        for member, mode in zip(ensemble.members, was_training, strict=True):
            member.train(mode)
    products = torch.zeros(len(encoded.token_ids), dtype=torch.float64)
    for table, gradient in zip(leaves, gradients, strict=True):
        if gradient is not None:
            products += (table.detach().double() * gradient.double()).sum(dim=1)
    return Gradients(products.numpy(), by_logit.numpy())


def _combined(ensemble: Ensemble, logits: Sequence[Tensor], linear: FloatArray | None) -> Tensor:
    """Return the logits (B, L) of the whole answer, as :meth:`sulsul.evaluation.Blend.combine` does for arrays."""
    weight, temperature = ensemble.blend.linear_weight, ensemble.blend.temperature
    recurrent = torch.stack(list(logits)).mean(dim=0)
    if linear is None:
        return recurrent / temperature
    return ((1.0 - weight) * recurrent + weight * torch.from_numpy(linear)) / temperature


def _n_logits(ensemble: Ensemble) -> int:
    return int(ensemble.first.output.kernel.shape[1])


def _tables(classifier: Classifier, encoded: EncodedCorpus, scale: FloatArray) -> dict[str, Tensor]:
    """Return the rows of every token by name of the parameter, as leaves of a graph."""
    parameters = dict(classifier.named_parameters())
    factors = torch.from_numpy(scale).to(classifier.output.kernel.dtype).unsqueeze(1)
    return {
        name: (_rows(parameters[name].detach(), encoded) * factors).requires_grad_()
        for name in _table_names(classifier)
    }


def _batch_of_rows(encoded: EncodedCorpus) -> PackedBatch:
    """Return the texts with each token as the only one of its kind."""
    every_token = encoded.positions()
    if encoded.types is not None:
        n_tokens = len(every_token.token_ids)
        every_token = replace(every_token, types=WordTypes(np.arange(n_tokens + 1), every_token.token_ids))
    return PackedBatch.from_arrays(collate(every_token, np.arange(len(encoded), dtype=np.int64)))


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
