"""PAD tokens that a network reads as if they were words."""

from collections.abc import Iterator

import numpy as np

from sulsul.batching import EncodedCorpus
from sulsul.doctor.quoting import percent
from sulsul.doctor.setup.evidence import SetupEvidence
from sulsul.doctor.setup.forward import logits_of
from sulsul.findings import Finding
from sulsul.model.specification import BatchNormLayer, EmbeddingInput, SummedEmbeddingInput

_MUCH = 0.5
_PROBED_TEXTS = 32
_TABLES = (EmbeddingInput, SummedEmbeddingInput)
_NO_PADS = "Leave out pad_to: texts of different lengths need no padding here (--set text.pad_to=none)."


def find_unmasked_padding(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find padding that enters the recurrence, and measure how far it moves the answers."""
    if not evidence.pads_are_read:
        return
    text, model = evidence.specification.text, evidence.specification.model
    forgets = text.pad_side == "after" and model.pooling == "last"
    measured = {} if evidence.network is None or evidence.prepared is None else _effect_of_pads(evidence)
    yield Finding(
        check="unmasked-padding",
        severity="error" if forgets else "warning",
        what=f"Texts are padded {'behind' if text.pad_side == 'after' else 'in front'} to {text.pad_to} tokens, and "
        + (
            "the state that is classified is the one after all those pads."
            if forgets
            else "the network reads the pads."
        ),
        why="The network carries its state through hundreds of identical steps and forgets the text; what it can learn "
        "is how long the text was."
        if forgets
        else "How many pads there are becomes an input of its own: a text is answered otherwise in a longer row.",
        remedy=_NO_PADS,
        evidence={"pad_to": text.pad_to, "pad_side": text.pad_side, "pooling": model.pooling, **measured},
    )


def find_padding_share(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find sequences that are mostly padding."""
    text = evidence.specification.text
    if not evidence.pads_are_read or text.pad_to is None or not len(evidence.data.train.rows):
        return
    lengths = evidence.data.train.full_lengths
    kept = np.minimum(lengths, text.max_length or text.pad_to)
    share = 1.0 - float(kept.mean()) / text.pad_to
    if share < _MUCH:
        return
    p95 = int(np.percentile(lengths, 95, method="inverted_cdf"))
    wasted = _operations_per_step(evidence) * float((text.pad_to - kept).sum())
    yield Finding(
        check="padding-share",
        severity="warning",
        what=f"{percent(share)} of all timesteps are padding: texts have {kept.mean():.0f} tokens on average and are "
        f"padded to {text.pad_to}.",
        why="Most of the computation is spent on nothing, and what the network sees is mostly nothing.",
        remedy=f"{_NO_PADS} Where padding must be, 95 % of the texts need {p95} tokens.",
        evidence={
            "share": round(share, 4),
            "mean_length": round(float(kept.mean()), 1),
            "p95_length": p95,
            "pad_to": text.pad_to,
            "wasted_gflop_per_epoch": round(wasted / 1e9, 1),
        },
    )


def find_batch_norm_over_padding(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find batch normalisation whose mean and variance are taken over pads too."""
    layers = evidence.specification.model.layers
    if not evidence.pads_are_read or not any(isinstance(layer, BatchNormLayer) for layer in layers):
        return
    yield Finding(
        check="batch-norm-over-padding",
        severity="warning",
        what="Batch normalisation runs over timesteps of which many are padding.",
        why="Mean and variance become those of the pads, so words are scaled by how much padding their batch holds.",
        remedy=_NO_PADS,
        evidence={"layers": [index for index, layer in enumerate(layers) if isinstance(layer, BatchNormLayer)]},
    )


def find_counted_padding(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find a PAD row of the embedding that is trained and pooled like a word."""
    model = evidence.specification.model
    if not evidence.pads_are_read or not isinstance(model.input, _TABLES) or model.pooling == "last":
        return
    yield Finding(
        check="padding-row",
        severity="warning",
        what=f"The {model.pooling} over all timesteps counts the pads, and PAD has a trained row of the embedding.",
        why="A short text's vector is mostly the vector of padding: the pooled value depends on the length of the row.",
        remedy=_NO_PADS,
        evidence={"pooling": model.pooling, "pad_to": evidence.specification.text.pad_to},
    )


def _effect_of_pads(evidence: SetupEvidence) -> dict[str, float]:
    """Measure how far the logits of a few texts move with their pads, and how much of their differences is left."""
    pad = evidence.specification.text.reserved.index("pad")
    padded = evidence.data.train.encoded.select(np.arange(min(_PROBED_TEXTS, len(evidence.data.train.rows))))
    words = padded.token_ids != pad
    lengths = np.add.reduceat(words, padded.offsets[:-1], dtype=np.int64)  # every sequence has pad_to ids
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    plain = EncodedCorpus(padded.token_ids[words], offsets, types=padded.types)
    with_pads, without = logits_of(evidence.classifier, padded), logits_of(evidence.classifier, plain)
    return {
        "largest_logit_change_by_the_pads": float(f"{np.abs(with_pads - without).max():.3g}"),
        "spread_between_texts_with_pads": float(f"{with_pads.std(axis=0).mean():.3g}"),
        "spread_between_texts_without": float(f"{without.std(axis=0).mean():.3g}"),
    }


def _operations_per_step(evidence: SetupEvidence) -> float:
    """Return the multiplications and additions of one timestep of one text, forward only."""
    model = evidence.specification.model
    size = model.input.size if isinstance(model.input, _TABLES) else 0
    total = 0.0
    for layer in evidence.recurrent_layers:
        total += 2.0 * layer.n_directions * layer.n_gates * layer.units * (size + layer.units)
        size = layer.output_size
    return total
