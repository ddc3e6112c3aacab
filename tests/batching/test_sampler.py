import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sulsul.batching import BatchSampler
from sulsul.errors import UsageError


@given(
    st.lists(st.integers(0, 30), max_size=300),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
    st.integers(0, 3),
    st.integers(0, 2**32 - 1),
)
def test_every_row_once_per_epoch(lengths, batch_size, bucket, shuffle, epoch, seed):
    sampler = BatchSampler(np.array(lengths, np.int64), batch_size, seed=seed, bucket=bucket, shuffle=shuffle)
    batches = sampler.epoch(epoch)
    assert len(batches) == len(sampler)
    assert sorted(row for batch in batches for row in batch.tolist()) == list(range(len(lengths)))
    assert sum(len(batch) != batch_size for batch in batches) <= 1


@pytest.mark.parametrize("bucket", [True, False])
def test_pure_function_of_seed_and_epoch(bucket):
    lengths = np.arange(500) % 37
    first, second = (BatchSampler(lengths, 8, seed=7, bucket=bucket) for _ in range(2))
    first.epoch(0)  # a former call must leave no trace
    flat = [np.concatenate(sampler.epoch(3)).tolist() for sampler in (first, second)]
    assert flat[0] == flat[1]
    assert np.concatenate(first.epoch(4)).tolist() != flat[0]
    assert np.concatenate(BatchSampler(lengths, 8, seed=8, bucket=bucket).epoch(3)).tolist() != flat[0]


def test_buckets_hold_similar_lengths():
    lengths = np.random.default_rng(0).integers(1, 1000, 4096)
    spread = [
        np.mean([np.ptp(lengths[batch]) for batch in BatchSampler(lengths, 32, seed=0, bucket=bucket).epoch(0)])
        for bucket in (True, False)
    ]
    assert spread[0] < spread[1] / 20


def test_without_shuffle_sorted_or_as_given():
    lengths = np.array([1, 5, 3, 5])
    assert [b.tolist() for b in BatchSampler(lengths, 3, shuffle=False).epoch(9)] == [[1, 3, 2], [0]]
    assert [b.tolist() for b in BatchSampler(lengths, 3, bucket=False, shuffle=False).epoch(9)] == [[0, 1, 2], [3]]


def test_batch_size_below_one():
    with pytest.raises(UsageError, match="batch_size"):
        BatchSampler(np.array([1]), 0)
