"""Texts with some tokens taken away."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.text import TextSettings, WordTypes

Mask = npt.NDArray[np.bool_]


def without(
    token_ids: npt.NDArray[np.int32], kept: Iterable[Mask], settings: TextSettings, types: WordTypes | None = None
) -> EncodedCorpus:
    """Return one text for every mask, holding the tokens that it keeps.

    The rest closes up: a recurrent network needs no stand-in for a token that is not there. Only where the settings pad
    every text is the length kept, by PAD on their side.

    Parameters
    ----------
    token_ids : int32 (n,)
        One text.
    kept
        Masks (n,): which of its tokens stay.
    settings
        How texts were encoded.
    types
        What the token ids stand for where they are sums of rows.

    Examples
    --------
    >>> masks = [np.array([True, False, True]), np.array([False, False, False])]
    >>> texts = without(np.array([5, 6, 7], np.int32), masks, TextSettings())
    >>> texts.token_ids.tolist(), texts.offsets.tolist()
    ([5, 7], [0, 2, 2])
    """
    texts = [_padded(token_ids[mask], len(token_ids), settings) for mask in kept]
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64)
    return EncodedCorpus(np.concatenate([np.zeros(0, np.int32), *texts]), offsets, types=types)


def _padded(token_ids: npt.NDArray[np.int32], length: int, settings: TextSettings) -> npt.NDArray[np.int32]:
    if settings.pad_to is None:
        return token_ids
    pad = np.full(length - len(token_ids), settings.reserved.index("pad"), np.int32)
    return np.concatenate([pad, token_ids] if settings.pad_side == "before" else [token_ids, pad])
