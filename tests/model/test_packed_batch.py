from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_sequence

from sulsul.model.packed_batch import PackedBatch
from sulsul.text import WordTypes

SEQUENCES = st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=6)


class Arrays(NamedTuple):
    token_ids: np.ndarray
    batch_sizes: np.ndarray
    lengths: np.ndarray
    order: np.ndarray
    types: WordTypes | None = None


@given(SEQUENCES.filter(lambda sequences: any(sequences)))
def test_rows_are_where_torch_puts_them(sequences: list[list[int]]) -> None:
    batch = PackedBatch.from_sequences(sequences)
    filled = sorted((torch.tensor(s) for s in sequences if s), key=len, reverse=True)
    theirs = pack_sequence(filled)
    assert torch.equal(batch.token_ids, theirs.data)
    assert torch.equal(batch.batch_sizes, theirs.batch_sizes)


@given(SEQUENCES)
def test_every_row_can_be_found(sequences: list[list[int]]) -> None:
    batch = PackedBatch.from_sequences(sequences)
    read: list[list[int]] = [[] for _ in sequences]
    for token_id, k in zip(batch.token_ids.tolist(), batch.sequence_of_row.tolist(), strict=True):
        read[batch.order[k]].append(token_id)
    assert read == sequences
    assert batch.token_ids[batch.last_rows].tolist() == [sequences[k][-1] for k in batch.order.tolist() if sequences[k]]
    assert batch.lengths.tolist() == [len(sequences[k]) for k in batch.order.tolist()]
    assert torch.equal(batch.order[batch.inverse_order], torch.arange(len(sequences)))


@pytest.mark.parametrize(
    ("sequences", "rectangular"),
    [([[1, 2], [3, 4]], True), ([[1, 2], [], [3, 4]], True), ([[1], [2, 3]], False), ([], True), ([[]], True)],
)
def test_rectangular(sequences: list[list[int]], *, rectangular: bool) -> None:
    assert PackedBatch.from_sequences(sequences).is_rectangular is rectangular


def test_counts() -> None:
    batch = PackedBatch.from_sequences([[1, 2, 3], [], [4]])
    assert (batch.n_rows, batch.n_sequences, batch.n_nonempty) == (4, 3, 2)
    assert (PackedBatch.from_sequences([[]]).n_rows, PackedBatch.from_sequences([[]]).n_nonempty) == (0, 0)


def test_arrays_of_any_integer_type_and_read_only_arrays_are_taken() -> None:
    token_ids = np.array([1, 7, 2], np.int32)
    token_ids.flags.writeable = False
    arrays = Arrays(token_ids, np.array([2, 1]), np.array([2, 1]), np.array([1, 0]))
    batch = PackedBatch.from_arrays(arrays)
    assert batch.token_ids.dtype == torch.int64
    assert batch.token_ids.tolist() == [1, 7, 2]


def test_batch_sizes_stay_on_the_cpu() -> None:
    moved = PackedBatch.from_sequences([[1, 2], [3]]).to("meta")
    assert moved.token_ids.device.type == moved.order.device.type == moved.lengths.device.type == "meta"
    assert moved.batch_sizes.device.type == "cpu"
