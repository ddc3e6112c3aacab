import math

import numpy as np
import pytest
import torch

from sulsul.errors import SpecificationError
from sulsul.model import initialization
from sulsul.model.specification import RecurrentLayer

# QR in float64, stored in float32: an inner product of unit rows is off by some float32 roundings.
ORTHOGONAL = 1e-5


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_glorot_fills_its_range_evenly() -> None:
    drawn = initialization.glorot_uniform(300, 200, generator())
    limit = math.sqrt(6 / 500)
    assert drawn.shape == (300, 200)
    assert drawn.abs().max().item() <= limit
    # 60,000 draws: the standard error of the mean is limit/sqrt(3)/sqrt(60000); five of them.
    assert abs(drawn.mean().item()) < 5 * limit / math.sqrt(3 * 60_000)
    assert drawn.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.02)


@pytest.mark.parametrize(("n_rows", "n_columns"), [(8, 32), (32, 8), (8, 8), (1, 4)])
def test_the_shorter_side_is_orthonormal(n_rows: int, n_columns: int) -> None:
    drawn = initialization.orthogonal(n_rows, n_columns, generator())
    assert drawn.shape == (n_rows, n_columns)
    short = drawn if n_rows <= n_columns else drawn.t()
    torch.testing.assert_close(short @ short.t(), torch.eye(len(short)), rtol=0, atol=ORTHOGONAL)


def test_orthogonal_matrices_are_drawn_evenly() -> None:
    """Without the correction of signs the first entry would have one sign more often."""
    first = [initialization.orthogonal(3, 3, generator(seed))[0, 0].item() for seed in range(400)]
    assert abs(np.mean(np.sign(first))) < 5 / math.sqrt(400)


def test_the_number_of_threads_changes_no_bit() -> None:
    before = torch.get_num_threads()
    drawn = []
    try:
        for n_threads in (1, 2, 8):
            torch.set_num_threads(n_threads)
            drawn.append(initialization.orthogonal(256, 1024, generator()))
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0], drawn[2])


def test_the_forget_gate_starts_open() -> None:
    drawn = initialization.direction_parameters(RecurrentLayer(kind="lstm", units=3), 5, generator())
    assert drawn.bias.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert drawn.kernel.shape == (5, 12)
    torch.testing.assert_close(
        drawn.recurrent_kernel @ drawn.recurrent_kernel.t(), torch.eye(3), rtol=0, atol=ORTHOGONAL
    )


@pytest.mark.parametrize(("reset_after", "shape"), [(True, (2, 9)), (False, (9,))])
def test_a_gru_has_one_bias_or_two(*, reset_after: bool, shape: tuple[int, ...]) -> None:
    layer = RecurrentLayer(kind="gru", units=3, reset_after=reset_after)
    bias = initialization.direction_parameters(layer, 5, generator()).bias
    assert bias.shape == shape
    assert not bias.any()


def test_embedding_range() -> None:
    table = initialization.embedding_table(1000, 8, generator())
    assert 0.049 < table.abs().max().item() <= 0.05


def test_given_vectors_and_random_rows_for_the_missing() -> None:
    vectors = np.array([[np.nan, np.nan], [1.0, 2.0], [3.0, np.nan]])
    table = initialization.embedding_table(3, 2, generator(), vectors)
    drawn = initialization.embedding_table(3, 2, generator())
    assert table[1].tolist() == [1.0, 2.0]
    assert torch.equal(table[[0, 2]], drawn[[0, 2]])


def test_vectors_of_another_shape_are_refused() -> None:
    with pytest.raises(SpecificationError, match=r"\(4, 2\).*\(3, 2\)"):
        initialization.embedding_table(3, 2, generator(), np.zeros((4, 2)))


def test_one_seed_gives_one_result() -> None:
    layer = RecurrentLayer(kind="gru", units=4)
    first, again, other = (initialization.direction_parameters(layer, 3, generator(seed)) for seed in (7, 7, 8))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.kernel, other.kernel)
