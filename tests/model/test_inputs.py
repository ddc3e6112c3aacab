import numpy as np
import pytest
import torch

from sulsul.batching import EncodedCorpus, collate
from sulsul.errors import DataError
from sulsul.model.classifier import Classifier
from sulsul.model.inputs import RawIds, SummedEmbedding
from sulsul.model.packed_batch import PackedBatch
from sulsul.model.specification import ModelSpecification, RecurrentLayer, SummedEmbeddingInput
from sulsul.text import WordTypes

SUMMED = ModelSpecification(input=SummedEmbeddingInput(size=3), layers=(RecurrentLayer(kind="gru", units=2),))


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


class TestSummedEmbedding:
    """Rows of a token are sums of rows of the table."""

    TYPES = WordTypes(np.array([0, 1, 4, 4, 6]), np.array([0, 2, 3, 3, 4, 1], np.int32))
    CORPUS = EncodedCorpus(np.array([1, 3, 1, 0], np.int32), np.array([0, 1, 4, 4]), types=TYPES)

    def batch(self, *rows: int) -> PackedBatch:
        return PackedBatch.from_arrays(collate(self.CORPUS, np.array(rows)))

    def test_a_token_is_the_sum_of_its_parts(self) -> None:
        module = SummedEmbedding(SummedEmbeddingInput(size=3), 5, torch.Generator().manual_seed(0))
        inputs, _ = module(self.batch(0, 1, 2))
        w = module.weight
        assert inputs.table.shape == (3, 3)  # type 2 has no part and stands in no text
        rows = inputs.table[inputs.token_ids]
        word = w[2] + w[3] + w[3]
        torch.testing.assert_close(rows, torch.stack([w[4] + w[1], word, word, w[0]]))
        rows.sum().backward()
        assert w.grad is not None
        assert w.grad[:, 0].tolist() == [1.0, 1.0, 2.0, 4.0, 1.0]

    def test_rows_begin_within_the_limit(self) -> None:
        module = SummedEmbedding(SummedEmbeddingInput(size=8, initial_limit=0.01), 50, torch.Generator().manual_seed(0))
        assert 0.009 < float(module.weight.detach().abs().max()) <= 0.01

    def test_no_tokens(self) -> None:
        classifier = Classifier(SUMMED, vocabulary_size=5, n_classes=2)
        assert classifier(self.batch(2)).shape == (1, 1)

    def test_parts_beyond_the_table_are_refused(self) -> None:
        with pytest.raises(DataError, match=r"part ids up to 4.*rows 0 to 3"):
            Classifier(SUMMED, vocabulary_size=4, n_classes=2)(self.batch(0, 1))

    def test_texts_of_the_other_kind_are_refused(self) -> None:
        plain = PackedBatch.from_sequences([[1]])
        with pytest.raises(DataError, match="reads texts with word types"):
            Classifier(SUMMED, vocabulary_size=5, n_classes=2)(plain)
        with pytest.raises(DataError, match="reads texts without word types"):
            Classifier(ModelSpecification(), vocabulary_size=5, n_classes=2)(self.batch(0))
