"""The native layer against the reference: every instruction set, dtype, cell and size around the lane width."""

from functools import lru_cache

import numpy as np
import pytest
from tests.kernels.layers import CELLS, cell_id
from tests.kernels.layers_native import cached_reference, random_problem, run_native, run_reference, worst_errors
from tests.tolerances import (
    ACTIVATION_FLOAT64,
    FINITE_DIFFERENCE,
    FINITE_DIFFERENCE_STEP,
    LOGISTIC_FLOAT32,
    NATIVE_BF16,
    NATIVE_FLOAT32,
    NATIVE_FLOAT32_SPLIT,
    NATIVE_FLOAT64,
    TANH_FLOAT32,
)

from sulsul.errors import KernelError
from sulsul.kernels import native
from sulsul.kernels.cell import Cell

SIZES = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64)
# 13, 12, 8, 7, 3, 2, 1 sequences at a timestep: blocks of every height.
LENGTHS = (7, 6, 5, 4, 4, 4, 4, 3, 2, 2, 2, 2, 1, 0, 0)

cells = pytest.mark.parametrize("cell", CELLS, ids=cell_id)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


def tolerance(dtype, instruction_set: str) -> float:
    if dtype is np.float64:
        return NATIVE_FLOAT64
    return NATIVE_FLOAT32_SPLIT if instruction_set == "amx" else NATIVE_FLOAT32


def assert_close(result, expected, limit: float) -> None:
    errors = worst_errors(result, expected)
    assert max(errors.values()) <= limit, errors


@cells
@dtypes
@pytest.mark.parametrize("units", SIZES)
def test_matches_the_reference(instruction_set, dtype, units, cell):
    problem, expected = cached_reference(cell, units, LENGTHS, "dense", 0)
    assert_close(run_native(problem, dtype), expected, tolerance(dtype, instruction_set))


@cells
@dtypes
@pytest.mark.parametrize(("kind", "vocabulary"), [("embedding", 6), ("embedding", 200), ("one-hot", 6)])
def test_token_inputs_match_the_reference(instruction_set, dtype, cell, kind, vocabulary):
    problem, expected = cached_reference(cell, 9, LENGTHS, kind, vocabulary)
    assert_close(run_native(problem, dtype), expected, tolerance(dtype, instruction_set))


@cells
@dtypes
@pytest.mark.parametrize("directions", [1, 2])
def test_large_batches_shared_by_threads_match_the_reference(instruction_set, dtype, cell, directions):
    """Up to 40 sequences at a timestep; several chunks of rows; units that fill neither vectors nor tiles."""
    problem, expected = cached_large_reference(cell, directions)
    native.set_thread_count(4)
    assert_close(run_native(problem, dtype), expected, tolerance(dtype, instruction_set))


@lru_cache(maxsize=12)
def cached_large_reference(cell, directions):
    lengths = tuple(range(20, -1, -1)) * 2
    problem = random_problem(cell, 56, lengths, directions=directions, input_size=20)
    return problem, run_reference(problem)


@cells
def test_bfloat16_is_close_where_the_processor_has_it(instruction_set, cell):
    problem, expected = cached_reference(cell, 64, LENGTHS, "dense", 0)
    rounded = run_native(problem, np.float32, precision="bf16")
    # A relu whose argument is rounded across 0 changes a gradient as a whole: there only the forward is compared.
    names = [name for name in expected if cell.activation == "tanh" or name.startswith(("hidden", "h_n", "c_n"))]
    assert_close({n: rounded[n] for n in names}, {n: expected[n] for n in names}, NATIVE_BF16)
    same = rounded["hidden"].tobytes() == run_native(problem, np.float32)["hidden"].tobytes()
    assert same == (instruction_set != "amx")


@cells
@pytest.mark.parametrize("kind", ["dense", "embedding", "one-hot"])
def test_gradients_match_finite_differences(cell, kind):
    problem = random_problem(cell, 3, (4, 2, 2, 0), kind=kind, vocabulary=4)
    result = run_native(problem, np.float64)

    def loss() -> float:
        out = run_native(problem, np.float64, backward=False)
        total = float((problem.d_hidden * out["hidden"]).sum())
        for d, (h, c) in enumerate(problem.d_final):
            total += float((h * out[f"h_n {d}"]).sum())
            total += float((c * out[f"c_n {d}"]).sum()) if cell.has_cell_state else 0.0
        return total

    arrays = {}
    for d, layer in enumerate(problem.layers):
        arrays |= {f"{name} {d}": getattr(layer, name) for name in ("kernel", "recurrent_kernel", "bias", "h0")}
        if cell.has_cell_state:
            arrays[f"c0 {d}"] = layer.c0
    if kind != "one-hot":
        arrays["inputs"] = problem.rows if kind == "dense" else problem.embedding
    for name, array in arrays.items():
        numeric = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + FINITE_DIFFERENCE_STEP
            above = loss()
            array[index] = kept - FINITE_DIFFERENCE_STEP
            below = loss()
            array[index] = kept
            numeric[index] = (above - below) / (2 * FINITE_DIFFERENCE_STEP)
        np.testing.assert_allclose(result[name], numeric, atol=FINITE_DIFFERENCE, err_msg=name)


@cells
def test_without_initial_states_they_are_zeros(cell):
    problem = random_problem(cell, 5, LENGTHS)
    for layer in problem.layers:
        layer.h0[:], layer.c0[:] = 0, 0
    expected = run_native(problem, np.float32)
    weights = [native.Weights(*(np.float32(a) for a in (p.kernel, p.recurrent_kernel, p.bias))) for p in problem.layers]
    shared = (np.float32(problem.rows), problem.batch_sizes, len(LENGTHS), weights)
    forward = native.layer_forward(cell, *shared, training=True)
    assert forward.hidden.tobytes() == expected["hidden"].tobytes()
    d_final = [native.State(np.float32(h), np.float32(c)) for h, c in problem.d_final]
    backward = native.layer_backward(cell, forward, *shared, np.float32(problem.d_hidden), d_final)
    assert backward.directions[0].h0 is None
    for d, gradients in enumerate(backward.directions):
        assert gradients.recurrent_kernel.tobytes() == expected[f"recurrent_kernel {d}"].tobytes()


@cells
def test_missing_output_gradients_are_zeros(cell):
    problem = random_problem(cell, 5, LENGTHS)
    problem.d_hidden[:] = 0
    problem.d_final = [(np.zeros_like(h), np.zeros_like(c)) for h, c in problem.d_final]
    weights = [native.Weights(p.kernel, p.recurrent_kernel, p.bias) for p in problem.layers]
    shared = (problem.rows, problem.batch_sizes, len(LENGTHS), weights)
    forward = native.layer_forward(cell, *shared, training=True)
    backward = native.layer_backward(cell, forward, *shared, None, input_gradient=False)
    assert backward.inputs is None
    assert all(not g.kernel.any() and not g.bias.any() for g in backward.directions)


@cells
def test_empty_batches(cell):
    problem = random_problem(cell, 4, (0, 0))
    result = run_native(problem, np.float32)
    assert result["hidden"].shape == (0, 8)
    np.testing.assert_array_equal(result["h_n 0"], problem.layers[0].h0.astype(np.float32))
    np.testing.assert_array_equal(result["h0 1"], problem.d_final[1][0].astype(np.float32))
    assert not result["kernel 0"].any()
    assert not result["recurrent_kernel 1"].any()


def activation_of(cell: Cell, x: np.ndarray) -> native.Forward:
    """One unit that passes its input to its gates, one timestep."""
    columns = cell.n_gates
    weights = native.Weights(
        np.ones((1, columns), x.dtype), np.zeros((1, columns), x.dtype), np.zeros(cell.bias_shape(1), x.dtype)
    )
    return native.layer_forward(cell, x[:, None], np.array([len(x)]), len(x), [weights], training=True)


@dtypes
def test_activations_are_accurate(instruction_set, dtype):
    if instruction_set == "amx" and dtype is np.float32:
        pytest.skip("its product with 1 is not exact; the activations are those of avx512")
    x = np.linspace(-20, 20, 200_001).astype(dtype)
    tanh = activation_of(Cell("simple-rnn"), x).hidden[:, 0]
    logistic = activation_of(Cell("lstm"), x).saved[0][0][:, 0]
    wide = x.astype(np.float64)
    single = dtype is np.float32
    assert np.abs(tanh - np.tanh(wide)).max() <= (TANH_FLOAT32 if single else ACTIVATION_FLOAT64)
    assert np.abs(logistic - 1 / (1 + np.exp(-wide))).max() <= (LOGISTIC_FLOAT32 if single else ACTIVATION_FLOAT64)


@dtypes
def test_activations_at_the_extremes(instruction_set, dtype):
    x = np.array([np.inf, -np.inf, 1e30, -1e30, np.nan, 0.0], dtype)
    tanh = activation_of(Cell("simple-rnn"), x).hidden[:, 0]
    relu = activation_of(Cell("simple-rnn", activation="relu"), x).hidden[:, 0]
    logistic = activation_of(Cell("gru"), x).saved[0][0][:, 0]
    if instruction_set != "amx" or dtype is np.float64:  # an infinity has no two finite halves
        np.testing.assert_allclose(tanh[:2], [1, -1])
        np.testing.assert_allclose(logistic[:2], [1, 0], atol=1e-30)
    np.testing.assert_allclose(tanh[[2, 3, 5]], [1, -1, 0], atol=TANH_FLOAT32)
    np.testing.assert_allclose(logistic[[2, 3, 5]], [1, 0, 0.5], atol=TANH_FLOAT32)
    assert all(np.isnan(values[4]) for values in (tanh, relu, logistic))


def test_denormals_are_flushed():
    cell = Cell("simple-rnn", activation="relu")
    tiny = np.full((1, 1), 1e-20, np.float32)
    weights = native.Weights(tiny, tiny, np.zeros(1, np.float32))
    result = native.layer_forward(cell, np.float32([[1e-20]]), np.array([1]), 1, [weights])
    assert result.hidden[0, 0] == 0
    assert np.float32(1e-20) * np.float32(1e-20) != 0  # only inside the kernels


def call(**changes):
    f = np.float32
    arguments = {
        "inputs": np.zeros((3, 2), f),
        "batch_sizes": np.array([2, 1]),
        "kernel": np.zeros((2, 8), f),
        "recurrent_kernel": np.zeros((2, 8), f),
        "bias": np.zeros(8, f),
    } | changes
    weights = native.Weights(arguments["kernel"], arguments["recurrent_kernel"], arguments["bias"])
    return native.layer_forward(Cell("lstm"), arguments["inputs"], arguments["batch_sizes"], 2, [weights])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": np.zeros((4, 2), np.float32)}, r"rows: the shape must be \(3, 2\)"),
        ({"inputs": np.zeros((3, 2))}, "rows: must be a C-contiguous float32"),
        ({"inputs": np.zeros((3, 4), np.float32)[:, ::2]}, "rows: must be a C-contiguous"),
        ({"bias": np.zeros((2, 8), np.float32)}, r"bias: the shape must be \(8\)"),
        ({"recurrent_kernel": np.zeros((2, 6), np.float32)}, r"recurrent_kernel: the shape must be \(2, 8\)"),
        ({"batch_sizes": np.array([1, 2])}, r"batch_sizes\[1\] is 2"),
        ({"batch_sizes": np.array([3])}, r"batch_sizes\[0\] is 3"),
        ({"batch_sizes": np.array([2, 0])}, r"batch_sizes\[1\] is 0"),
        ({"inputs": native.Tokens(np.array([0, 1]))}, "token_ids: the length must be the sum of batch_sizes, 3"),
    ],
)
def test_wrong_arrays_are_refused(changes, message):
    with pytest.raises(KernelError, match=message):
        call(**changes)


@pytest.mark.parametrize("wrong", [2, -1])
def test_ids_outside_the_vocabulary_are_refused(wrong):
    with pytest.raises(IndexError, match=rf"token_ids\[1\] is {wrong}: .* less than the vocabulary's 2"):
        call(inputs=native.Tokens(np.array([0, wrong, 1])))


def test_runtime_settings_are_checked():
    with pytest.raises(KernelError, match="unknown instruction set 'sse9'"):
        native.force_instruction_set("sse9")
    with pytest.raises(KernelError, match="1024"):
        native.set_thread_count(0)
