"""From the plain ids of texts to the sequences a model reads: unknown, start, truncation, padding."""

import numpy as np
import numpy.typing as npt

from sulsul.text.settings import TextSettings

UNKNOWN = -1
"""Stands for a token outside the vocabulary until :func:`arrange` replaces or drops it."""

Ids = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]


def arrange(ids: Ids, counts: Counts, settings: TextSettings) -> tuple[Ids, Counts, Counts]:
    """Apply everything that comes after the look-up to a flat batch of texts.

    In this order: an unknown token becomes OOV, or is dropped where the settings reserve no OOV (as Keras does);
    START is put in front; the sequence is cut to ``max_length``; PAD is written up to ``pad_to``.

    Parameters
    ----------
    ids : int32 (N,)
        Token ids of all texts in a row; unknown ones are :data:`UNKNOWN`.
    counts : int64 (B,)
        Tokens of each text.
    settings
        What to apply.

    Returns
    -------
    ids : int32 (M,)
        The sequences in a row.
    lengths : int64 (B,)
        Length of each sequence, PAD tokens included.
    full_lengths : int64 (B,)
        Length before truncation and padding, START included.

    Examples
    --------
    >>> settings = TextSettings(reserved=("pad", "start", "oov"), max_length=2, pad_to=3, truncate="front")
    >>> arrange(np.array([5, -1, 6], np.int32), np.array([3, 0]), settings)[0].tolist()
    [2, 6, 0, 1, 0, 0]
    """
    reserved = settings.reserved
    if "oov" in reserved:
        ids = np.where(ids == UNKNOWN, np.int32(reserved.index("oov")), ids)
    else:
        ids, counts = _drop_unknown(ids, counts)
    start = int("start" in reserved)
    full = counts + start
    if not start and settings.max_length is None:
        return ids, counts, full
    kept = np.minimum(full, settings.max_length) if settings.max_length is not None else full
    lengths = np.maximum(kept, settings.pad_to) if settings.pad_to is not None else kept
    cut = full - kept if settings.truncate == "front" else np.zeros_like(full)
    indent = lengths - kept if settings.pad_side == "before" else np.zeros_like(full)

    # `step` counts 0, 1, ... inside each kept sequence; START is step 0 of the sequence before truncation.
    step = np.arange(kept.sum()) - np.repeat(np.cumsum(kept) - kept, kept)
    source_step = step + np.repeat(cut - start, kept)
    source = np.maximum(source_step, 0) + np.repeat(np.cumsum(counts) - counts, kept)
    target = step + np.repeat(np.cumsum(lengths) - lengths + indent, kept)
    arranged = np.full(int(lengths.sum()), reserved.index("pad") if "pad" in reserved else 0, np.int32)
    if start:
        ids = np.append(ids, np.int32(reserved.index("start")))
        source[source_step < 0] = len(ids) - 1
    arranged[target] = ids[source]
    return arranged, lengths, full


def count_marked(marked: npt.NDArray[np.bool_], counts: Counts) -> Counts:
    """Return how many tokens of each text are marked.

    Parameters
    ----------
    marked : bool (N,)
        One mark for each token of all texts in a row.
    counts : int64 (B,)
        Tokens of each text.
    """
    marked_before = np.concatenate([np.zeros(1, np.int64), np.cumsum(marked)])
    ends = np.cumsum(counts)
    n_marked: Counts = marked_before[ends] - marked_before[ends - counts]
    return n_marked


def _drop_unknown(ids: Ids, counts: Counts) -> tuple[Ids, Counts]:
    return ids[ids != UNKNOWN], counts - count_marked(ids == UNKNOWN, counts)
