"""Words that are sums of an embedding's rows, in a native network."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from tests.kernels.networks import bound, check_against_finite_differences
from tests.tolerances import FLOAT64_REORDERED

from sulsul.errors import DataError, KernelError
from sulsul.kernels import native
from sulsul.kernels.cell import Cell
from sulsul.kernels.network import Network

V, W = 60, 25
CELLS = [Cell("simple-rnn"), Cell("gru")]  # few units of the first: a layer of its own


class Texts(NamedTuple):
    """The arguments of ``bind_texts``."""

    token_ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    type_offsets: npt.NDArray[np.int64]
    part_ids: npt.NDArray[np.int32]

    def arguments(self) -> dict[str, Any]:
        return self._asdict()


def texts(lengths: list[int], *, n_parts: int = 6, seed: int = 0) -> Texts:
    """Types of up to ``n_parts`` parts; type 0 has none, type 1 the same one three times."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    sizes = np.concatenate([[0, 3], rng.integers(1, n_parts + 1, W - 2)])
    type_offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    part_ids = rng.integers(0, V, type_offsets[-1]).astype(np.int32)
    part_ids[:3] = 7
    token_ids = rng.integers(0, W, offsets[-1]).astype(np.int32)
    return Texts(token_ids, offsets, type_offsets, part_ids)


def summed_network(
    dtype: npt.DTypeLike, *, cell: Cell | None = CELLS[1], size: int = 5, summed: bool = True, trainable: bool = True
) -> Network:
    network = Network(dtype)
    set_input = network.set_summed_embedding_input if summed else network.set_embedding_input
    set_input(vocabulary_size=V, size=size, trainable=trainable)
    if cell is not None:
        network.add_recurrent(cell, units=6, bidirectional=True)
    network.set_pooling("last")
    network.set_output("softmax", n_logits=3)
    return network


@pytest.fixture(params=["scalar", "avx2", "avx512"])
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    order: list[native.InstructionSet] = ["scalar", "avx2", "avx512", "amx"]
    if order.index(request.param) > order.index(native.detected_instruction_set()):
        pytest.skip(f"this machine lacks {request.param}")
    before = native.active_instruction_set()
    native.force_instruction_set(request.param)
    yield request.param
    native.force_instruction_set(before)


@pytest.mark.parametrize("cell", [*CELLS, None], ids=str)
@pytest.mark.parametrize("lengths", [[3, 0, 2], [0, 4, 9, 30, 7, 7, 40, 21]], ids=len)
@pytest.mark.parametrize("size", [5, 35])
def test_against_finite_differences(cell: Cell | None, lengths: list[int], size: int, instruction_set: str) -> None:
    network = summed_network(np.float64, cell=cell, size=size)
    network.bind_texts(**texts(lengths).arguments())
    check_against_finite_differences(network, len(lengths))


@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("size", [1, 4, 17, 70, 130])
def test_words_of_one_part_are_an_embedding(cell: Cell, size: int, instruction_set: str) -> None:
    given = texts([5, 0, 31, 12], n_parts=1)
    parts = np.arange(W, dtype=np.int32)[::-1].copy()
    types = {"type_offsets": np.arange(W + 1), "part_ids": parts}
    results = []
    for summed in (True, False):
        network = summed_network(np.float64, cell=cell, size=size, summed=summed)
        _, gradients = bound(network)
        ids = given.token_ids if summed else parts[given.token_ids]
        network.bind_texts(ids, given.offsets, **(types if summed else {}))
        network.bind_labels(np.array([0, 1, 2, 1]))
        network.differentiate(np.arange(4))
        results.append(gradients)
    for name, gradient in results[0].items():
        np.testing.assert_allclose(gradient, results[1][name], rtol=0, atol=FLOAT64_REORDERED, err_msg=name)


def test_gradients_do_not_depend_on_the_batch_before() -> None:
    network = summed_network(np.float64)
    _, gradients = bound(network)
    given = texts([3, 60, 2, 4])
    network.bind_texts(**given.arguments())
    network.bind_labels(np.array([0, 1, 2, 1]))
    first: dict[int, npt.NDArray[np.floating]] = {}
    for row in (0, 1, 0, 2, 3, 0, 3, 1, 2):
        network.differentiate(np.array([row]))
        gradient = gradients["input.weight"].copy()
        assert np.array_equal(gradient, first.setdefault(row, gradient)), row
        types = given.token_ids[given.offsets[row] : given.offsets[row + 1]]
        read = np.concatenate([given.part_ids[given.type_offsets[w] : given.type_offsets[w + 1]] for w in types])
        assert not gradient[np.setdiff1d(np.arange(V), read)].any()
        assert gradient.any()


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_prediction_depends_on_its_text_alone(cell: Cell) -> None:
    lengths = [int(n) for n in np.random.default_rng(2).integers(0, 60, 50)]
    given, network = texts(lengths), summed_network(np.float32, cell=cell, size=24)
    bound(network)
    together, alone = np.empty((50, 3), np.float32), np.empty((50, 3), np.float32)
    network.predict(rows=np.random.default_rng(3).permutation(50), logits=together, **given.arguments())
    for row in range(50):
        # As a server has it: the table holds the types of this text only, by other numbers.
        types = np.unique(given.token_ids[given.offsets[row] : given.offsets[row + 1]])[::-1]
        numbers = np.zeros(W, np.int32)
        numbers[types] = np.arange(len(types))
        ids = [given.part_ids[given.type_offsets[w] : given.type_offsets[w + 1]] for w in types]
        own = Texts(
            numbers[given.token_ids],
            given.offsets,
            np.cumsum([0, *map(len, ids)]),
            np.concatenate([np.zeros(0, np.int32), *ids]),
        )
        network.predict(rows=np.array([row]), logits=alone, **own.arguments())
    assert np.array_equal(together, alone)


def test_texts_without_tokens() -> None:
    network = summed_network(np.float64)
    _, gradients = bound(network)
    network.bind_texts(**texts([0, 0]).arguments())
    network.bind_labels(np.array([0, 1]))
    network.differentiate(np.arange(2))
    assert not gradients["input.weight"].any()
    assert gradients["output.bias"].any()


def test_a_table_that_is_not_trained() -> None:
    network = summed_network(np.float64, trainable=False)
    network.bind_texts(**texts([9, 4, 12]).arguments())
    check_against_finite_differences(network, 3)


def trained(*, lazy: bool, threads: int, steps: int = 4) -> npt.NDArray[np.float32]:
    """Return all parameters after some steps."""
    network = summed_network(np.float32, size=80)
    sizes = [int(np.prod(parameter.shape)) for parameter in network.parameters()]
    starts = np.concatenate([[0], np.cumsum([-(-size // 16) * 16 for size in sizes])])
    flat, gradients, mean, square = (np.zeros(starts[-1], np.float32) for _ in range(4))
    rng = np.random.default_rng(1)
    for parameter, start, size in zip(network.parameters(), starts, sizes, strict=False):
        flat[start : start + size] = rng.uniform(-0.5, 0.5, size)
        views = (array[start : start + size].reshape(parameter.shape) for array in (flat, gradients))
        network.bind_parameter(parameter.name, *views)
    network.set_optimizer(
        "adamw",
        values=flat,
        gradients=gradients,
        state=(mean, square),
        weight_decay=0.1,
        clip_norm=0.1,
        lazy_embedding=lazy,
    )
    network.bind_texts(**texts([int(n) for n in rng.integers(0, 90, 64)], n_parts=30).arguments())
    network.bind_labels(np.arange(64) % 3)
    native.set_thread_count(threads)
    for step in range(steps):
        network.train([np.arange(step * 16, step * 16 + 16)], learning_rates=[0.01], step=step)
    return flat


@pytest.mark.parametrize("lazy", [False, True])
def test_the_number_of_threads_changes_no_bit(lazy: bool) -> None:
    before = native.thread_count()
    try:
        results = [trained(lazy=lazy, threads=threads) for threads in (1, 2, 8)]
    finally:
        native.set_thread_count(before)
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


def test_what_does_not_fit_is_refused() -> None:
    network = summed_network(np.float32)
    bound(network)
    given, logits = texts([4, 2]), np.empty((2, 3), np.float32)
    with pytest.raises(DataError, match="a summed embedding reads texts with word types"):
        network.bind_texts(given.token_ids, given.offsets)
    with pytest.raises(DataError, match="only a summed embedding"):
        summed_network(np.float32, summed=False).bind_texts(**given.arguments())
    with pytest.raises(KernelError, match="one element more than there are word types"):
        network.bind_texts(**given._replace(type_offsets=np.zeros(0, np.int64)).arguments())
    with pytest.raises(KernelError):
        network.bind_texts(**given._replace(part_ids=given.part_ids.astype(np.int64)).arguments())  # type: ignore[arg-type]
    refused = {
        f"token id {W} is outside the table of word types, of {W}": {"token_ids": np.full(6, W, np.int32)},
        "token id -1 is outside": {"token_ids": np.full(6, -1, np.int32)},
        f"part id {V} is outside the vocabulary of {V}": {"part_ids": np.full(len(given.part_ids), V, np.int32)},
        "part id -3 is outside": {"part_ids": np.full(len(given.part_ids), -3, np.int32)},
        "is not within the part ids": {"type_offsets": given.type_offsets[::-1].copy()},
    }
    for message, change in refused.items():
        with pytest.raises(DataError, match=message):
            network.predict(rows=np.arange(2), logits=logits, **given._replace(**change).arguments())
    # What was refused leaves no trace.
    network.predict(rows=np.arange(2), logits=logits, **given.arguments())
    assert np.isfinite(logits).all()
