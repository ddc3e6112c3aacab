"""Cutting one batch into parts for several workers."""

import numpy as np
import pytest

from sulsul.batching import EncodedCorpus, collate, part_of_batch


def offsets_of(lengths: list[int]) -> np.ndarray:
    return np.cumsum([0, *lengths]).astype(np.int64)


@pytest.mark.parametrize("n_parts", [1, 2, 3, 7, 40])
def test_parts_are_the_batch(n_parts: int) -> None:
    rng = np.random.default_rng(3)
    offsets = offsets_of(rng.integers(0, 50, 100).tolist())
    rows = rng.permutation(100)[:31]
    parts = [part_of_batch(offsets, rows, number, n_parts) for number in range(n_parts)]
    assert sorted(np.concatenate([part.rows for part in parts])) == sorted(rows)
    assert sorted(np.concatenate([part.places for part in parts])) == list(range(31))
    assert sum(part.share for part in parts) == pytest.approx(1.0)
    sizes = [len(part.rows) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("n_parts", [2, 3, 8])
def test_parts_are_equally_long(n_parts: int) -> None:
    lengths = np.random.default_rng(5).integers(0, 400, 64)
    offsets = offsets_of(lengths.tolist())
    n_tokens = [lengths[part_of_batch(offsets, np.arange(64), k, n_parts).rows].sum() for k in range(n_parts)]
    assert max(n_tokens) - min(n_tokens) <= lengths.max()


def test_a_part_knows_where_it_stands_in_the_packed_batch() -> None:
    lengths = [3, 0, 5, 1, 5, 2]
    offsets = offsets_of(lengths)
    corpus = EncodedCorpus(np.arange(offsets[-1], dtype=np.int32), offsets)
    rows = np.array([5, 4, 1, 0, 2])
    whole, part = collate(corpus, rows), part_of_batch(offsets, rows, 1, 2)
    packed = collate(corpus, part.rows)
    assert packed.order.tolist() == list(range(len(part.rows)))  # longest first already
    assert part.offsets.tolist() == (np.cumsum(whole.batch_sizes) - whole.batch_sizes).tolist()
    starts = np.cumsum(packed.batch_sizes) - packed.batch_sizes
    for t, size in enumerate(packed.batch_sizes):
        for k in range(size):
            assert packed.token_ids[starts[t] + k] == whole.token_ids[part.offsets[t] + part.places[k]]


def test_texts_without_tokens() -> None:
    part = part_of_batch(offsets_of([0, 0, 0]), np.arange(3), 1, 2)
    assert len(part.rows) == 2
    assert part.offsets.tolist() == []
