"""The native network alone: packing, finite differences, one sequence among others."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kernels.networks import bound, check_against_finite_differences

from sulsul.errors import DataError, KernelError
from sulsul.kernels.cell import Cell
from sulsul.kernels.network import Network

V = 40


def texts(lengths: list[int], seed: int = 0) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.random.default_rng(seed).integers(0, V, offsets[-1]).astype(np.int32), offsets


def recurrent_network(dtype: npt.DTypeLike, cell: Cell, units: int, *, one_hot: bool, pooling: str) -> Network:
    network = Network(dtype)
    if one_hot:
        network.set_one_hot_input(vocabulary_size=V)
    else:
        network.set_embedding_input(vocabulary_size=V, size=5)
    network.add_recurrent(cell, units=units, bidirectional=True)
    network.set_pooling(pooling)  # type: ignore[arg-type]
    network.set_output("softmax", n_logits=3)
    return network


def order_sensitive(dtype: npt.DTypeLike) -> Network:
    """Return a network whose logits tell every token and its place apart, which a mean of embeddings does not."""
    return recurrent_network(dtype, Cell("gru"), 6, one_hot=False, pooling="last")


@pytest.mark.parametrize("units", [1, 3, 4, 5, 8, 9])
@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("pooling", ["last", "max"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("n_texts", [3, 40])
def test_simple_rnn_against_finite_differences(
    units: int, one_hot: bool, pooling: str, activation: str, n_texts: int
) -> None:
    # 40 texts hold more tokens than the vocabulary words, 3 texts fewer: looked up, or not.
    network = recurrent_network(
        np.float64,
        Cell("simple-rnn", activation),  # type: ignore[arg-type]
        units,
        one_hot=one_hot,
        pooling=pooling,
    )
    check_gradients(network, [length % 11 for length in range(n_texts)])


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_a_deep_network_against_finite_differences(pooling: str) -> None:
    network = Network(np.float64)
    network.set_embedding_input(vocabulary_size=V, size=5)
    network.add_recurrent(Cell("simple-rnn"), units=4, bidirectional=True)
    network.add_batch_norm(momentum=0.9, epsilon=1e-3)
    network.add_recurrent(Cell("simple-rnn"), units=7)
    network.add_dropout(0.3)
    network.add_recurrent(Cell("lstm"), units=3)
    network.set_pooling(pooling)  # type: ignore[arg-type]
    network.add_dense(units=4, activation="tanh")
    network.add_dropout(0.2)
    network.set_output("softmax", n_logits=3)
    check_gradients(network, [0, 4, 9, 2, 7, 7])


def check_gradients(network: Network, lengths: list[int]) -> None:
    network.bind_texts(*texts(lengths))
    check_against_finite_differences(network, len(lengths))


@pytest.mark.parametrize("cell", [Cell("simple-rnn"), Cell("gru")])
def test_gradients_do_not_depend_on_the_batch_before(cell: Cell) -> None:
    # Of the embedding's gradient only rows of words that occur are written, or all of them when words were looked up.
    network = recurrent_network(np.float64, cell, 6, one_hot=False, pooling="last")
    _, gradients = bound(network)
    network.bind_texts(*texts([3, 60, 2, 4]))
    network.bind_labels(np.array([0, 1, 2, 1]))
    batches = {row: np.array([row]) for row in range(4)}
    first = {}
    for row in (0, 1, 0, 2, 3, 0, 3, 1, 2):
        network.differentiate(batches[row])
        now = {name: gradient.copy() for name, gradient in gradients.items()}
        for name, gradient in first.setdefault(row, now).items():
            assert np.array_equal(now[name], gradient), (row, name)
        used = network_tokens(row)
        assert not now["input.weight"][[word for word in range(V) if word not in used]].any()


def network_tokens(row: int) -> set[int]:
    token_ids, offsets = texts([3, 60, 2, 4])
    return set(token_ids[offsets[row] : offsets[row + 1]].tolist())


@given(lengths=st.lists(st.integers(0, 70), min_size=1, max_size=50), seed=st.integers(0, 9))
def test_a_prediction_depends_on_its_text_alone(lengths: list[int], seed: int) -> None:
    network = order_sensitive(np.float32)
    bound(network)
    token_ids, offsets = texts(lengths, seed)
    together, alone = np.empty((len(lengths), 3), np.float32), np.empty((len(lengths), 3), np.float32)
    rows = np.random.default_rng(seed).permutation(len(lengths)).astype(np.int64)
    network.predict(token_ids, offsets, rows, together)
    for row in rows:
        network.predict(token_ids, offsets, np.array([row]), alone)
    assert np.array_equal(together, alone)


@pytest.mark.parametrize("units", [3, 8])
def test_narrow_layers_too(units: int) -> None:
    for one_hot in (False, True):
        network = recurrent_network(np.float32, Cell("simple-rnn"), units, one_hot=one_hot, pooling="last")
        bound(network)
        token_ids, offsets = texts([int(n) for n in np.random.default_rng(units).integers(0, 60, 50)])
        together, alone = np.empty((50, 3), np.float32), np.empty((50, 3), np.float32)
        network.predict(token_ids, offsets, np.arange(50), together)
        for row in range(50):
            network.predict(token_ids, offsets, np.array([row]), alone)
        assert np.array_equal(together, alone)


def test_no_text_is_no_prediction() -> None:
    network = order_sensitive(np.float32)
    bound(network)
    network.predict(*texts([]), np.zeros(0, np.int64), np.empty((0, 3), np.float32))


def test_what_does_not_fit_is_refused() -> None:
    network = order_sensitive(np.float32)
    with pytest.raises(KernelError, match=r"input.weight is not bound"):
        network.predict(*texts([2]), np.arange(1), np.empty((1, 3), np.float32))
    bound(network)
    with pytest.raises(DataError, match="row 1 is not one of the 1 texts"):
        network.predict(*texts([2]), np.arange(2), np.empty((1, 3), np.float32))
    with pytest.raises(DataError, match="token id -1 is outside"):
        network.predict(np.array([-1], np.int32), np.array([0, 1]), np.arange(1), np.empty((1, 3), np.float32))
    with pytest.raises(DataError, match="text 0 is not within the token ids"):
        network.predict(np.array([1], np.int32), np.array([0, 2]), np.arange(1), np.empty((1, 3), np.float32))
    with pytest.raises(KernelError, match="logits must be"):
        network.predict(*texts([2]), np.arange(1), np.empty((2, 3), np.float32))
    with pytest.raises(KernelError, match="has no parameter"):
        network.bind_parameter("nothing", np.zeros(1, np.float32))
    with pytest.raises(KernelError, match="another shape"):
        network.bind_parameter("output.bias", np.zeros(4, np.float32))
    with pytest.raises(KernelError):
        network.bind_parameter("output.bias", np.zeros(3, np.float64))
    network.bind_texts(*texts([2]))
    with pytest.raises(KernelError, match="no labels are bound"):
        network.differentiate(np.arange(1))
    with pytest.raises(KernelError, match="must be from 0 to 2"):
        network.bind_labels(np.array([3]))
    with pytest.raises(KernelError, match="unknown pooling"):
        network.set_pooling("middle")  # type: ignore[arg-type]
    with pytest.raises(KernelError, match="float16"):
        Network(np.float16)
