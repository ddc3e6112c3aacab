"""The same bits for any number of threads, any batch and any neighbours."""

import threading

import numpy as np
import pytest
from tests.kernels.layers import CELLS, batch_sizes_of, cell_id
from tests.kernels.layers_native import random_problem, run_native

from sulsul.kernels import native
from sulsul.kernels.reference import sequence_rows

cells = pytest.mark.parametrize("cell", CELLS, ids=cell_id)
LENGTHS = tuple(sorted(np.random.default_rng(5).integers(0, 24, size=64).tolist(), reverse=True))


def same_bits(a, b) -> list[str]:
    """Names of the arrays that differ."""
    assert a.keys() == b.keys()
    return [name for name in a if a[name].tobytes() != b[name].tobytes()]


@cells
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize(
    ("kind", "vocabulary", "units"),
    [
        ("dense", 0, 56),
        ("embedding", 50, 56),
        ("embedding", 2000, 56),
        ("one-hot", 50, 56),
        ("embedding", 50, 65),
        ("dense", 0, 130),  # gates that are cut into columns leave a remainder below a tile
    ],
)
def test_threads_do_not_change_a_bit(cell, directions, kind, vocabulary, units):
    problem = random_problem(
        cell, units, LENGTHS, directions=directions, input_size=24, kind=kind, vocabulary=vocabulary
    )
    results = []
    for n in (1, 2, 8):
        native.set_thread_count(n)
        results.append(run_native(problem, np.float32))
    assert same_bits(results[0], results[1]) == []
    assert same_bits(results[0], results[2]) == []


@cells
@pytest.mark.parametrize("units", [8, 17, 56])
def test_a_sequence_alone_is_the_sequence_in_a_batch(instruction_set, cell, units):
    problem = random_problem(cell, units, LENGTHS, kind="embedding", vocabulary=30, input_size=20)
    together = run_native(problem, np.float32, backward=False)
    for b in (0, 1, 7, 30, 60):
        rows = sequence_rows(problem.batch_sizes, b)
        alone = random_problem(cell, units, (LENGTHS[b],), kind="embedding", vocabulary=30, input_size=20)
        alone.token_ids, alone.embedding = problem.token_ids[rows], problem.embedding
        for one, many in zip(alone.layers, problem.layers, strict=True):
            one.kernel, one.recurrent_kernel, one.bias = many.kernel, many.recurrent_kernel, many.bias
            one.h0, one.c0 = many.h0[b : b + 1], many.c0[b : b + 1]
        result = run_native(alone, np.float32, backward=False)
        assert result["hidden"].tobytes() == together["hidden"][rows].tobytes()
        for name in ("h_n 0", "h_n 1"):
            assert result[name].tobytes() == together[name][b : b + 1].tobytes()


@cells
def test_looked_up_products_are_the_products(instruction_set, cell):
    """An embedding is folded into a table exactly when the vocabulary is not larger than the batch."""
    problem = random_problem(cell, 56, (9, 8, 8, 3, 0), kind="embedding", vocabulary=28, input_size=37)
    folded = run_native(problem, np.float32, backward=False)
    problem.embedding = np.concatenate([problem.embedding, problem.embedding])
    unfolded = run_native(problem, np.float32, backward=False)
    problem.token_ids, problem.embedding = None, None
    problem.rows = np.float32(problem.rows)
    dense = run_native(problem, np.float32, backward=False)
    assert same_bits(folded, unfolded) == []
    assert same_bits(folded, dense) == []


@cells
def test_inference_is_training_without_keeping(cell):
    problem = random_problem(cell, 17, LENGTHS)
    training = run_native(problem, np.float32)
    inference = run_native(problem, np.float32, backward=False)
    assert all(inference[name].tobytes() == training[name].tobytes() for name in inference)
    weights = [native.Weights(p.kernel, p.recurrent_kernel, p.bias) for p in problem.layers]
    shared = (cell, problem.rows, batch_sizes_of(LENGTHS), len(LENGTHS), weights)
    whole, last = native.layer_forward(*shared), native.layer_forward(*shared, sequence_output=False)
    assert last.hidden is None
    assert last.final[1].h.tobytes() == whole.final[1].h.tobytes()


def test_calls_from_several_threads_do_not_meet():
    native.set_thread_count(2)
    problems = [random_problem(cell, 56, LENGTHS, input_size=24, seed=i) for i, cell in enumerate(CELLS)]
    expected = [run_native(problem, np.float32) for problem in problems]
    differing: list[str] = []

    def work(i: int) -> None:
        for _ in range(5):
            differing.extend(same_bits(run_native(problems[i], np.float32), expected[i]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(problems))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert differing == []
