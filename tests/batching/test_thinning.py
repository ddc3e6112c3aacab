import numpy as np
import pytest

from sulsul.batching import EncodedCorpus, thin_batches

N_TEXTS, LENGTH = 40, 50
OFFSETS = np.concatenate([[0, 0, 1], 1 + LENGTH * np.arange(1, N_TEXTS + 1)])
CORPUS = EncodedCorpus(
    np.arange(OFFSETS[-1], dtype=np.int32),
    OFFSETS,
    np.arange(len(OFFSETS) - 1),
    np.arange(len(OFFSETS) - 1, dtype=np.float32),
)
"""Every token is its own id; the first text is empty, the second one token long."""


def texts(corpus: EncodedCorpus) -> list[list[int]]:
    return [part.tolist() for part in np.split(corpus.token_ids, corpus.offsets[1:-1])]


def thin(*batches: list[int], rate: float = 0.3, seed: int = 0, step: int = 0) -> EncodedCorpus:
    return thin_batches(CORPUS, [np.array(rows) for rows in batches], rate=rate, seed=seed, step=step)


def test_what_stays_is_in_order_with_its_label_and_weight() -> None:
    rows = [7, 3, 1, 0]
    thinned = thin(rows)
    assert thinned.class_ids is not None
    assert thinned.sample_weights is not None
    assert thinned.class_ids.tolist() == thinned.sample_weights.tolist() == rows
    whole = texts(CORPUS.select(np.array(rows)))
    for before, after in zip(whole, texts(thinned), strict=True):
        assert after == sorted(set(after) & set(before))
    assert len(thinned.token_ids) < sum(map(len, whole))


def test_the_share_left_out_is_the_one_asked_for() -> None:
    rows = list(range(2, N_TEXTS + 2))
    kept = np.mean([thin(rows, step=step).token_ids.size for step in range(50)]) / (N_TEXTS * LENGTH)
    error = np.sqrt(0.3 * 0.7 / (50 * N_TEXTS * LENGTH))
    assert kept == pytest.approx(0.7, abs=4 * error)


def test_every_step_and_seed_draws_anew() -> None:
    rows = [5, 6, 7]
    found = [tuple(thin(rows, seed=seed, step=step).token_ids.tolist()) for seed in (0, 1) for step in (0, 1)]
    assert len(set(found)) == 4


def test_a_batch_loses_the_same_whichever_come_with_it() -> None:
    together, second = thin([2, 3], [4, 5, 6], step=8), thin([4, 5, 6], step=9)
    assert texts(together)[2:] == texts(second)


def test_a_text_keeps_at_least_one_token() -> None:
    thinned = thin([0, 1, 2], [1], [1], [1], rate=0.999)
    assert thinned.lengths.tolist() == [0, 1, 1, 1, 1, 1]
    assert texts(thinned)[1] == [0]
