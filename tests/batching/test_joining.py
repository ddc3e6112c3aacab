import numpy as np
import pytest

from sulsul.batching import EncodedCorpus, join_texts
from sulsul.errors import DataError
from sulsul.text.word_types import WordTypes


def words(corpus: EncodedCorpus) -> list[list[list[int]]]:
    """Return the rows that every token of every text is the sum of."""
    assert corpus.types is not None
    offsets, part_ids = corpus.types.offsets, corpus.types.part_ids
    texts = [corpus.token_ids[a:b] for a, b in zip(corpus.offsets[:-1], corpus.offsets[1:], strict=True)]
    return [[part_ids[offsets[i] : offsets[i + 1]].tolist() for i in text] for text in texts]


def test_word_types_come_along_renumbered() -> None:
    types = WordTypes(np.array([0, 1, 3]), np.array([0, 5, 7], np.int32))
    first = EncodedCorpus(np.array([0, 1, 1], np.int32), np.array([0, 2, 3]), np.array([0, 1]), types=types)
    others = WordTypes(np.array([0, 2, 3, 4]), np.array([9, 7, 4, 1], np.int32))
    second = EncodedCorpus(np.array([2, 0, 1], np.int32), np.array([0, 0, 2, 3]), types=others)
    joined = join_texts([(first, np.array([1, 0])), (second, np.array([1, 0]))])
    assert words(joined) == [[[5, 7]], [[0], [5, 7]], [[1], [9, 7]], []]
    assert joined.types is not None
    assert len(joined.types) == 4  # not the one that no text holds
    assert joined.class_ids is None


def test_texts_with_and_without_types_do_not_mix() -> None:
    types = WordTypes(np.array([0, 1]), np.array([3], np.int32))
    offsets, rows = np.array([0, 1]), np.array([0])
    first = EncodedCorpus(np.array([0], np.int32), offsets, types=types)
    second = EncodedCorpus(np.array([0], np.int32), offsets)
    for parts in ([(first, rows), (second, rows)], [(second, rows), (first, rows)]):
        with pytest.raises(DataError, match="cannot be joined"):
            join_texts(parts)
