import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_sequence

from sulsul.batching import EncodedCorpus, collate


def corpus_of(lengths: list[int]) -> EncodedCorpus:
    offsets = np.concatenate([[0], np.cumsum(np.array(lengths, np.int64))]).astype(np.int64)
    return EncodedCorpus(np.arange(offsets[-1], dtype=np.int32), offsets)


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_packs_as_torch_does(lengths, random):
    corpus = corpus_of(lengths)
    rows = np.array(random.choices(range(len(lengths)), k=random.randint(1, 8)), np.int64)
    packed = collate(corpus, rows)

    sequences = [torch.from_numpy(corpus.token_ids[corpus.offsets[r] : corpus.offsets[r + 1]]) for r in rows]
    assert packed.lengths.tolist() == sorted((len(s) for s in sequences), reverse=True)
    assert [len(sequences[k]) for k in packed.order] == packed.lengths.tolist()
    assert sorted(packed.order) == list(range(len(rows)))
    filled = [sequences[k] for k in packed.order if len(sequences[k])]
    if filled:
        expected = pack_sequence(filled)
        assert packed.token_ids.tolist() == expected.data.tolist()
        assert packed.batch_sizes.tolist() == expected.batch_sizes.tolist()


def test_equal_lengths_keep_the_order_of_rows():
    packed = collate(corpus_of([2, 2, 2]), np.array([2, 0, 1]))
    assert packed.order.tolist() == [0, 1, 2]
    assert packed.token_ids.tolist() == [4, 0, 2, 5, 1, 3]


@pytest.mark.parametrize("lengths", [[0], [0, 0, 0]])
def test_only_empty_texts(lengths):
    packed = collate(corpus_of(lengths), np.arange(len(lengths)))
    assert packed.token_ids.shape == packed.batch_sizes.shape == (0,)
    assert packed.lengths.tolist() == lengths
    assert packed.order.tolist() == list(range(len(lengths)))


def test_no_rows_at_all():
    packed = collate(corpus_of([3]), np.zeros(0, np.int64))
    assert packed.token_ids.shape == packed.batch_sizes.shape == packed.lengths.shape == packed.order.shape == (0,)


def test_types():
    packed = collate(corpus_of([1, 3]), np.array([0, 1]))
    assert {a.dtype for a in (packed.token_ids, packed.batch_sizes, packed.lengths, packed.order)} == {
        np.dtype("int64")
    }
