"""Texts with some of their tokens left out."""

from collections.abc import Sequence

import numpy as np

from sulsul.batching.encoded_corpus import EncodedCorpus, Rows

_STREAM = 5  # apart from the streams that shuffle, draw and mask


def thin_batches(corpus: EncodedCorpus, batches: Sequence[Rows], *, rate: float, seed: int, step: int) -> EncodedCorpus:
    """Return the texts of some batches, one after another, each token left out with probability ``rate``.

    A text that would lose all keeps its first. What a batch loses is a function of the seed and its step, whichever
    other batches there are.

    Parameters
    ----------
    corpus
        Where the texts are.
    batches
        Positions of texts, each int64 (b,).
    rate
        Share of the tokens to leave out, from 0 to below 1.
    seed
        Seeds the draws together with the step.
    step
        That of the first batch; every further one is of the next.
    """
    chosen = corpus.select(np.concatenate(batches))
    ends = chosen.offsets[np.cumsum([len(rows) for rows in batches])]
    draws = [
        np.random.default_rng([seed, step + i, _STREAM]).random(n, np.float32)
        for i, n in enumerate(np.diff(ends, prepend=0))
    ]
    kept = np.concatenate(draws) >= rate
    n_kept = _sums(kept, chosen.offsets)
    starts = chosen.offsets[:-1]
    kept[starts[(n_kept == 0) & (chosen.lengths > 0)]] = True
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(_sums(kept, chosen.offsets))])
    return EncodedCorpus(chosen.token_ids[kept], offsets, chosen.class_ids, chosen.sample_weights, chosen.types)


def _sums(kept: np.ndarray[tuple[int], np.dtype[np.bool_]], offsets: Rows) -> Rows:
    sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])
    return np.diff(sums[offsets])
