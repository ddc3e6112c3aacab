import pytest
import torch

from sulsul.errors import DataError
from sulsul.model.inputs import RawIds
from sulsul.model.packed_batch import PackedBatch


def test_raw_ids_are_features_of_one_timestep() -> None:
    features, batch = RawIds(3)(PackedBatch.from_sequences([[1, 2, 3], [4, 5, 0]]))
    assert features.dtype == torch.float32
    assert features.tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 0.0]]
    assert batch.batch_sizes.tolist() == [2]
    assert batch.lengths.tolist() == [1, 1]
    assert batch.order.tolist() == [0, 1]


def test_raw_ids_of_no_texts() -> None:
    features, batch = RawIds(3)(PackedBatch.from_sequences([]))
    assert features.shape == (0, 3)
    assert batch.n_nonempty == 0


@pytest.mark.parametrize("sequences", [[[1, 2]], [[1, 2, 3], [1]], [[1, 2, 3], []], [[]], [[1, 2, 3, 4], [1, 2]]])
def test_raw_ids_need_padded_texts(sequences: list[list[int]]) -> None:
    with pytest.raises(DataError, match=r"exactly 3 tokens.*text\.pad_to"):
        RawIds(3)(PackedBatch.from_sequences(sequences))
