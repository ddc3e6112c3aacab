import numpy as np
import pytest

from sulsul.batching import EncodedCorpus, collate
from sulsul.pretraining.segments import cut_into_segments, neighbours, single_part_types


def corpus_of(*lengths: int) -> EncodedCorpus:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return EncodedCorpus(np.arange(offsets[-1], dtype=np.int32), offsets)


@pytest.mark.parametrize("longest", [2, 3, 7, 100])
def test_segments_hold_every_token_once_and_are_nearly_equal(longest: int) -> None:
    cut = cut_into_segments(corpus_of(7, 0, 1, 100, 2), longest)
    assert cut.token_ids.tolist() == [*range(7), *range(8, 110)]  # the text of one token predicts nothing
    assert cut.lengths.max() <= longest
    begins = np.isin([0, 7, 107], cut.offsets)
    assert begins.all()  # no segment runs from one text into the next
    of_long = cut.lengths[(cut.offsets[:-1] >= 7) & (cut.offsets[:-1] < 107)]
    assert len(of_long) == -(-100 // longest)
    assert of_long.max() - of_long.min() <= 1


def test_neighbours_are_neighbours_in_the_texts() -> None:
    corpus = corpus_of(4, 1, 3, 6)
    packed = collate(corpus, np.arange(4))
    pairs = neighbours(packed.batch_sizes)
    assert (packed.token_ids[pairs.after] - packed.token_ids[pairs.before] == 1).all()
    assert len(pairs.before) == 3 + 0 + 2 + 5
    assert len(neighbours(np.zeros(0, np.int64)).after) == 0


def test_a_plain_token_is_the_sum_of_its_own_row() -> None:
    assert single_part_types(5).select(np.array([3, 1])).part_ids.tolist() == [3, 1]
