"""Texts cut into segments, and which word of a batch stands next to which."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.text.word_types import WordTypes

Int64 = npt.NDArray[np.int64]


def cut_into_segments(corpus: EncodedCorpus, longest: int) -> EncodedCorpus:
    """Return the same tokens with every text cut into as few, nearly equal segments of at most ``longest`` tokens.

    Texts of fewer than two tokens, in which nothing can be predicted, are left out.

    Examples
    --------
    >>> corpus = EncodedCorpus(np.arange(8, dtype=np.int32), np.array([0, 5, 6, 8]))
    >>> cut_into_segments(corpus, 3).offsets.tolist()
    [0, 3, 5, 7]
    """
    (rows,) = np.nonzero(corpus.lengths >= 2)
    kept = replace(corpus, class_ids=None, sample_weights=None).select(rows)
    n_segments = -(-kept.lengths // longest)
    which = np.repeat(np.arange(len(kept)), n_segments)
    rank = np.arange(len(which)) - np.repeat(np.cumsum(n_segments) - n_segments, n_segments)
    # Segment r of a text of n tokens in s segments begins at ceil(r n / s).
    starts = kept.offsets[which] + -(-rank * kept.lengths[which] // n_segments[which])
    return replace(kept, offsets=np.append(starts, kept.offsets[-1]))


class Neighbours(NamedTuple):
    """Pairs of packed rows of which one token follows the other: ``before[i]`` stands right before ``after[i]``."""

    before: Int64
    after: Int64


def neighbours(batch_sizes: Int64) -> Neighbours:
    """Return every pair of neighbours in a packed batch with ``batch_sizes`` (T,).

    Examples
    --------
    >>> neighbours(np.array([2, 2, 1]))
    Neighbours(before=array([0, 1, 2]), after=array([2, 3, 4]))
    """
    if not batch_sizes.size:
        return Neighbours(np.zeros(0, np.int64), np.zeros(0, np.int64))
    after = np.arange(batch_sizes[0], batch_sizes.sum())
    # A row's predecessor lies one timestep back: as many rows before it as that timestep has.
    return Neighbours(after - np.repeat(batch_sizes[:-1], batch_sizes[1:]), after)


def single_part_types(n_rows: int) -> WordTypes:
    """Return the types under which a token id is one row of the table: the sum of itself alone."""
    return WordTypes(np.arange(n_rows + 1, dtype=np.int64), np.arange(n_rows, dtype=np.int32))
