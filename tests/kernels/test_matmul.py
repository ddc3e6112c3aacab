"""Matrix products: agreement with float64, and results that depend on neither neighbours nor threads."""

import itertools

import numpy as np
import pytest
import torch
from tests.tolerances import (
    MATMUL_FLOAT32,
    MATMUL_FLOAT32_BF16,
    MATMUL_FLOAT32_SPLIT,
    MATMUL_FLOAT64,
    MATMUL_SPLIT_TYPICAL,
)

from sulsul.errors import KernelError
from sulsul.kernels import _native, native

SIZES = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 129)
FORMS = ("nn", "nt", "tn")


def tolerance(dtype, instruction_set, precision="float32"):
    """Say how large an error relative to |A|·|B| may be."""
    if dtype == np.float64:
        return MATMUL_FLOAT64
    if instruction_set != "amx":
        return MATMUL_FLOAT32
    return MATMUL_FLOAT32_BF16 if precision == "bf16" else MATMUL_FLOAT32_SPLIT


def random(rng, rows, columns, dtype, gap=0):
    """Draw standard normal numbers, with `gap` unused (NaN) elements between rows."""
    whole = np.full((rows, columns + gap), np.nan, dtype)
    whole[:, :columns] = rng.standard_normal((rows, columns))
    return whole[:, :columns]


def stored(matrix, transposed, gap=0):
    """Copy a matrix; keep it in memory by its columns if `transposed`."""
    source = matrix.T if transposed else matrix
    whole = np.full((source.shape[0], source.shape[1] + gap), np.nan, matrix.dtype)
    whole[:, : source.shape[1]] = source
    return whole[:, : source.shape[1]]


def multiply(a, b, form="nn", gap=0, **options):
    """Compute A @ B by the kernel of this form."""
    out = np.full((a.shape[0], b.shape[1]), np.nan, a.dtype)
    _native.matmul(
        stored(a, form == "tn", gap),
        stored(b, form == "nt", gap),
        out,
        transpose_a=form == "tn",
        transpose_b=form == "nt",
        **options,
    )
    return out


def relative_error(out, a, b, start=0.0):
    """Measure the largest error against float64, relative to |start| + |A|·|B|."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(np.max(np.abs(out - (start + a @ b)) / (np.abs(start) + np.abs(a) @ np.abs(b))))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_agrees_with_float64_at_every_size(instruction_set, dtype, form):
    rng = np.random.default_rng(0)
    errors = {}
    for m, k, n in itertools.product(SIZES, repeat=3):
        a, b = random(rng, m, k, dtype), random(rng, k, n, dtype)
        errors[m, k, n] = relative_error(multiply(a, b, form), a, b)
    worst = max(errors, key=errors.get)
    assert errors[worst] <= tolerance(dtype, instruction_set), worst


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 300, 70), (200, 130, 33), (97, 257, 129)])
def test_strides_bias_and_accumulation(instruction_set, dtype, form, shape):
    m, k, n = shape
    rng = np.random.default_rng(1)
    a, b = random(rng, m, k, dtype), random(rng, k, n, dtype)
    whole = np.full((m, n + 5), 7, dtype)
    start = random(rng, m, n, dtype)
    whole[:, :n] = start
    options = {"transpose_a": form == "tn", "transpose_b": form == "nt"}
    left, right = stored(a, form == "tn", 3), stored(b, form == "nt", 3)
    bias = None if form == "tn" else rng.standard_normal(n).astype(dtype)
    offset = 0.0 if bias is None else bias.astype(np.float64)

    _native.matmul(left, right, whole[:, :n], bias, accumulate=True, **options)
    assert relative_error(whole[:, :n], a, b, start + offset) <= tolerance(dtype, instruction_set)
    _native.matmul(left, right, whole[:, :n], bias, **options)
    assert relative_error(whole[:, :n], a, b, offset + np.zeros((m, n))) <= tolerance(dtype, instruction_set)
    assert (whole[:, n:] == 7).all()


@pytest.mark.parametrize("form", FORMS)
def test_sum_over_nothing_is_the_bias_or_zero(instruction_set, form):
    a, b = np.empty((3, 0), np.float32), np.empty((0, 4), np.float32)
    assert (multiply(a, b, form) == 0).all()
    if form != "tn":
        bias = np.arange(4, dtype=np.float32)
        out = np.ones((3, 4), np.float32)
        _native.matmul(a, np.empty((0, 4), np.float32), out, bias, accumulate=True)
        np.testing.assert_array_equal(out, 1 + np.tile(bias, (3, 1)))


@pytest.mark.parametrize("form", ["nn", "nt"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("k", "n"), [(16, 8), (64, 256), (300, 70)])
def test_a_row_is_the_same_alone_and_in_any_place(instruction_set, dtype, k, n, form):
    rng = np.random.default_rng(2)
    a, b = random(rng, 200, k, dtype), random(rng, k, n, dtype)
    together = multiply(a, b, form)
    for row in (0, 1, 31, 95, 96, 199):
        np.testing.assert_array_equal(multiply(a[row : row + 1], b, form), together[row : row + 1])
    order = rng.permutation(200)
    np.testing.assert_array_equal(multiply(a[order], b, form), together[order])
    np.testing.assert_array_equal(multiply(a[3:20], b, form), together[3:20])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_same_to_the_bit_on_any_number_of_threads(instruction_set, dtype, form, precision):
    rng = np.random.default_rng(3)
    shape = (37, 5003, 70) if form == "tn" else (1003, 70, 65)
    a, b = random(rng, shape[0], shape[1], dtype), random(rng, shape[1], shape[2], dtype)
    results = []
    for threads in (1, 2, 8):
        _native.set_thread_count(threads)
        results.append(multiply(a, b, form, precision=precision))
    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_array_equal(results[2], results[0])


def test_wide_weight_gradient_is_cut_by_columns(instruction_set):
    rng = np.random.default_rng(4)
    a, b = random(rng, 600, 40, np.float32), random(rng, 40, 700, np.float32)
    _native.set_thread_count(2)
    assert relative_error(multiply(a, b, "tn"), a, b) <= tolerance(np.float32, instruction_set)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(40, 24), (64, 8), (8, 33), (0, 16)])
def test_two_left_factors_give_what_each_gives_alone(instruction_set, dtype, sizes):
    rng = np.random.default_rng(8)
    b = random(rng, 300, 50, dtype)
    factors = [random(rng, 300, size, dtype) for size in sizes]
    starts = [random(rng, size, 50, dtype) for size in sizes]
    for accumulate in (False, True):
        together = [start.copy() for start in starts]
        _native.matmul_tn_pair(*factors, b, *together, accumulate=accumulate)
        for a, start, out in zip(factors, starts, together, strict=True):
            _native.matmul(a, b, start, transpose_a=True, accumulate=accumulate)
            np.testing.assert_array_equal(out, start)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(1000, 128, 512), (1000, 64, 256), (64, 2000, 256)])
def test_float32_on_amx_is_float32(form, shape):
    if _native.detected_isa() != "amx":
        pytest.skip("this machine has no AMX")
    _native.force_isa("amx")
    rng = np.random.default_rng(5)
    a, b = random(rng, *shape[:2], np.float32), random(rng, *shape[1:], np.float32)
    exact = a.astype(np.float64) @ b
    assert np.abs(multiply(a, b, form) - exact).max() <= MATMUL_SPLIT_TYPICAL * np.abs(exact).max()


@pytest.mark.parametrize("form", FORMS)
def test_bf16_rounds_the_factors_on_amx_only(instruction_set, form):
    rng = np.random.default_rng(6)
    a, b = random(rng, 70, 90, np.float32), random(rng, 90, 50, np.float32)
    rounded = multiply(a, b, form, precision="bf16")
    assert relative_error(rounded, a, b) <= tolerance(np.float32, instruction_set, "bf16")
    assert (rounded == multiply(a, b, form)).all() == (instruction_set != "amx")


@pytest.mark.parametrize("bits", [0x7FC00000, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001])
@pytest.mark.parametrize("form", FORMS)
def test_nan_is_never_lost(instruction_set, form, bits):
    a, b = np.ones((20, 40), np.float32), np.ones((40, 20), np.float32)
    a.view(np.uint32)[5, 7] = bits
    out = multiply(a, b, form)
    assert np.isnan(out[5]).all()
    assert not np.isnan(np.delete(out, 5, axis=0)).any()


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        (((2, 3), (4, 5), (2, 5)), {}, "summed dimension"),
        (((2, 3), (3, 5), (3, 5)), {}, "out has the wrong shape"),
        (((2, 3), (3, 5), (2, 5)), {"precision": "float16"}, "must be float32 or bf16"),
        (((3, 2), (5, 3), (2, 5)), {"transpose_a": True, "transpose_b": True}, "transpose_a"),
    ],
)
def test_refuses_what_does_not_fit(shapes, options, message):
    a, b, out = (np.ones(shape, np.float32) for shape in shapes)
    with pytest.raises(ValueError, match=message):
        _native.matmul(a, b, out, **options)


def test_refuses_columns_that_are_not_neighbours():
    with pytest.raises(ValueError, match="contiguous"):
        _native.matmul(np.ones((3, 2), np.float32).T, np.ones((3, 5), np.float32), np.ones((2, 5), np.float32))


def test_the_wrapper_multiplies_strided_torch_tensors_and_names_what_does_not_fit():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn((9, 20), generator=generator)[:, 5:11], torch.randn((4, 6), generator=generator)
    whole = torch.zeros((9, 10))
    for _ in range(2):
        native.matmul(a, b, whole[:, 3:7], transpose_b=True, accumulate=True)
    torch.testing.assert_close(whole[:, 3:7], 2 * a @ b.T)
    assert (whole[:, :3] == 0).all()
    assert (whole[:, 7:] == 0).all()
    with pytest.raises(KernelError, match="summed dimension"):
        native.matmul(a, b, whole[:, 3:7])
