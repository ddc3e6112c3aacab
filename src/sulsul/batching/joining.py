"""Texts of several corpora as one."""

from collections.abc import Sequence

import numpy as np

from sulsul.batching.encoded_corpus import EncodedCorpus, Rows
from sulsul.errors import DataError
from sulsul.text.word_types import WordTypes


def join_texts(parts: Sequence[tuple[EncodedCorpus, Rows]]) -> EncodedCorpus:
    """Return the texts at some rows of several corpora as one corpus, without labels and weights.

    Where the corpora have word types, only those of these texts come along, so that the cost does not depend on the
    corpora; a word of two corpora is two types.

    Raises
    ------
    DataError
        If some corpora have word types and others have none.

    Examples
    --------
    >>> first = EncodedCorpus(np.array([5, 6, 7], np.int32), np.array([0, 2, 3]))
    >>> second = EncodedCorpus(np.array([8, 9], np.int32), np.array([0, 0, 2]))
    >>> joined = join_texts([(first, np.array([1])), (second, np.array([1, 0]))])
    >>> joined.token_ids.tolist(), joined.lengths.tolist()
    ([7, 8, 9], [1, 2, 0])
    """
    chosen = [corpus.select(rows) for corpus, rows in parts]
    offsets = np.cumsum(np.concatenate([np.zeros(1, np.int64), *(part.lengths for part in chosen)]))
    if all(part.types is None for part in chosen):
        return EncodedCorpus(np.concatenate([part.token_ids for part in chosen]), offsets)
    token_ids, types, n_types = [], [], 0
    for part in chosen:
        if part.types is None:
            raise DataError("texts with word types and texts without cannot be joined; encode both alike.")
        met, ids = np.unique(part.token_ids, return_inverse=True)
        token_ids.append((ids + n_types).astype(np.int32))
        types.append(part.types.select(met))
        n_types += len(met)
    return EncodedCorpus(np.concatenate(token_ids), offsets, types=_join_types(types))


def _join_types(parts: Sequence[WordTypes]) -> WordTypes:
    counts = np.concatenate([np.zeros(1, np.int64), *(np.diff(part.offsets) for part in parts)])
    return WordTypes(np.cumsum(counts), np.concatenate([part.part_ids for part in parts]))
