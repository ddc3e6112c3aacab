from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sulsul.batching import EncodedCorpus
from sulsul.errors import DataError

IDS = np.array([5, 6, 7], np.int32)
OFFSETS = np.array([0, 2, 2, 3], np.int64)


def test_lengths_and_len():
    corpus = EncodedCorpus(IDS, OFFSETS, np.array([0, 1, 0]))
    assert len(corpus) == 3
    assert corpus.lengths.tolist() == [2, 0, 1]


@given(st.lists(st.lists(st.integers(0, 50), max_size=5), min_size=1, max_size=8), st.data())
def test_select_is_indexing(sequences, data):
    rows = data.draw(st.lists(st.integers(0, len(sequences) - 1), max_size=10))
    offsets = np.cumsum([0, *map(len, sequences)])
    corpus = EncodedCorpus(np.array([*chain.from_iterable(sequences)], np.int32), offsets, np.arange(len(sequences)))
    selected = corpus.select(np.array(rows, np.int64))
    found = [selected.token_ids[a:b].tolist() for a, b in zip(selected.offsets, selected.offsets[1:], strict=False)]
    assert found == [sequences[row] for row in rows]
    assert selected.class_ids is not None
    assert selected.class_ids.tolist() == rows


def test_select_keeps_multi_hot_rows():
    corpus = EncodedCorpus(IDS, OFFSETS, np.eye(3, dtype=np.float32))
    assert corpus.select(np.array([2])).class_ids.tolist() == [[0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("token_ids", "offsets", "class_ids", "message"),
    [
        (IDS.astype(np.int64), OFFSETS, None, "token_ids must be int32"),
        (IDS, OFFSETS.astype(np.int32), None, "offsets must be int64"),
        (IDS, OFFSETS[:0], None, "begin with 0"),
        (IDS, OFFSETS[1:], None, "begin with 0"),
        (IDS, np.array([0, 2, 1, 3]), None, "never fall"),
        (IDS, np.array([0, 2]), None, "end with the number"),
        (-IDS, OFFSETS, None, "negative"),
        (IDS, OFFSETS, np.array([0, 1]), "one entry per text"),
        (IDS, OFFSETS, np.array([0.0, 1.0, 0.0]), "int64"),
    ],
)
def test_malformed_is_refused(token_ids, offsets, class_ids, message):
    with pytest.raises(DataError, match=message):
        EncodedCorpus(token_ids, offsets, class_ids)
