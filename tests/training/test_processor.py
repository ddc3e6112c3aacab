import pytest
import torch

from sulsul.training.processor import training_processor


def n_subnormal() -> int:
    # Large enough that every thread has a share.
    return int((torch.full((1_000_000,), 1e-39) * 0.5 != 0).sum())


def test_every_thread_flushes_subnormals_inside_and_none_afterwards() -> None:
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    assert n_subnormal() == 1_000_000
    with training_processor(threads=None, seed=0):
        assert n_subnormal() == 0
    assert n_subnormal() == 1_000_000
    torch.set_num_threads(n_threads)


def test_threads_and_random_state_are_put_back_after_an_error() -> None:
    n_threads, state = torch.get_num_threads(), torch.get_rng_state()

    def fail() -> None:
        with training_processor(threads=n_threads + 1, seed=0):
            assert torch.get_num_threads() == n_threads + 1
            torch.rand(3)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert torch.get_num_threads() == n_threads
    assert torch.equal(state, torch.get_rng_state())


def test_the_seed_decides_the_random_numbers_and_differs_from_the_initial_weights() -> None:
    def draw(seed: int) -> torch.Tensor:
        with training_processor(threads=None, seed=seed):
            return torch.rand(4)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert not torch.equal(draw(1), torch.rand(4, generator=torch.Generator().manual_seed(1)))
