"""Instruction sets, the thread pool and the workspaces."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from sulsul.kernels import _native


def parallel_product(seed=0):
    """Multiply matrices large enough for all threads."""
    a = np.random.default_rng(seed).standard_normal((600, 64)).astype(np.float32)
    out = np.empty((600, 64), np.float32)
    _native.matmul(a, a[:64], out)
    return out


def run_python(code, **environment):
    """Run code in a new interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


SHOW = "from sulsul.kernels import _native; print(_native.active_isa(), _native.thread_count())"


def test_instruction_set_from_the_environment():
    assert run_python(SHOW, SULSUL_ISA="scalar").stdout.split()[0] == "scalar"


def test_unknown_instruction_set_in_the_environment_is_an_error():
    process = run_python(SHOW, SULSUL_ISA="avx1024")
    assert process.returncode != 0
    assert "SULSUL_ISA" in process.stderr
    assert "must be scalar, avx2, avx512 or amx" in process.stderr


def test_force_isa_refuses_an_unknown_name():
    with pytest.raises(ValueError, match="unknown instruction set 'mmx'"):
        _native.force_isa("mmx")


def test_threads_from_the_environment():
    assert run_python(SHOW, SULSUL_NUM_THREADS="3", OMP_NUM_THREADS="1").stdout.split()[1] == "3"
    assert run_python(SHOW, SULSUL_NUM_THREADS="", OMP_NUM_THREADS="5,2").stdout.split()[1] == "5"
    process = run_python(SHOW, SULSUL_NUM_THREADS="many")
    assert process.returncode != 0
    assert "SULSUL_NUM_THREADS is 'many'" in process.stderr


@pytest.mark.parametrize("n", [0, -1, 1025])
def test_number_of_threads_is_checked(n):
    with pytest.raises(ValueError, match="must be from 1 to 1024"):
        _native.set_thread_count(n)


def test_number_of_threads_may_change_at_any_time():
    expected = parallel_product()
    for threads in (2, 1, 8, 3):
        _native.set_thread_count(threads)
        np.testing.assert_array_equal(parallel_product(), expected)


# The child works, and ends with its own exit code: status 0 of the parent says that nobody hung.
FORK = """
import os, warnings, numpy as np
from sulsul.kernels import _native
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: fork in a process with threads
_native.set_thread_count(4)
a = np.ones((600, 64), np.float32)
out = np.empty((600, 64), np.float32)
_native.matmul(a, a[:64], out)
for generation in range(3):
    child = os.fork()
    if child:
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    out[:] = 0
    for _ in range(20):
        _native.matmul(a, a[:64], out)
    assert (out == 64).all()
"""


def test_children_of_a_fork_make_their_own_threads():
    process = run_python(FORK)
    assert process.returncode == 0, process.stderr


def test_many_python_threads_at_once():
    _native.set_thread_count(4)
    expected = [parallel_product(seed) for seed in range(8)]
    wrong = []

    def work(seed):
        wrong.extend(seed for _ in range(50) if not np.array_equal(parallel_product(seed), expected[seed]))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_interpreter_ends_while_workers_wait():
    process = run_python(FORK.replace("range(3)", "range(0)"))
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_denormals_count_as_zero(instruction_set, dtype, threads):
    _native.set_thread_count(threads)
    a = np.full((600, 64), np.finfo(dtype).smallest_subnormal, dtype)
    b = np.full((64, 64), 2.0, dtype)
    out = np.ones((600, 64), dtype)
    _native.matmul(a, b, out)
    assert (out == 0).all()


def test_floating_point_mode_of_the_caller_is_kept():
    assert not _native.denormals_are_flushed()
    parallel_product()
    assert not _native.denormals_are_flushed()


def test_floating_point_mode_set_by_the_caller_is_kept():
    torch = pytest.importorskip("torch")
    if not torch.set_flush_denormal(True):
        pytest.skip("torch cannot flush denormals here")
    try:
        parallel_product()
        assert _native.denormals_are_flushed()
    finally:
        torch.set_flush_denormal(False)


def test_scratch_memory_is_kept_and_can_be_freed():
    _native.set_thread_count(1)
    a = np.ones((4096, 96), np.float32)
    out = np.empty((96, 96), np.float32)
    for _ in range(2):  # the first call learns how much is needed
        _native.matmul(a, a, out, transpose_a=True)
    held = _native.workspace_bytes()
    _native.matmul(a, a, out, transpose_a=True)
    assert _native.workspace_bytes() == held > 0
    assert _native.release_workspaces() > 0
    assert _native.workspace_bytes() < held


def test_scratch_memory_of_a_thread_goes_with_it():
    _native.set_thread_count(1)
    before = _native.workspace_bytes()
    thread = threading.Thread(target=parallel_product)
    thread.start()
    thread.join()
    assert _native.workspace_bytes() <= before


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's list of threads")
def test_workers_start_with_the_first_parallel_work():
    code = "import os; from sulsul.kernels import _native; print(len(os.listdir('/proc/self/task')))"
    assert run_python(code, OPENBLAS_NUM_THREADS="1", SULSUL_NUM_THREADS="8").stdout.strip() == "1"
