"""Instruction sets and threads for the kernel tests."""

import pytest

from sulsul.kernels import native

INSTRUCTION_SETS = ("scalar", "avx2", "avx512", "amx")


@pytest.fixture(autouse=True)
def _restore_runtime():
    isa, threads = native.active_instruction_set(), native.thread_count()
    yield
    native.force_instruction_set(isa)
    native.set_thread_count(threads)


@pytest.fixture(params=INSTRUCTION_SETS)
def instruction_set(request):
    """Each instruction set this machine has."""
    best = native.detected_instruction_set()
    if INSTRUCTION_SETS.index(request.param) > INSTRUCTION_SETS.index(best):
        pytest.skip(f"this machine has only {best}")
    native.force_instruction_set(request.param)
    return request.param
