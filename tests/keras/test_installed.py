"""Without Keras, or with another backend, the import says what to do."""

import os
import subprocess
import sys

import pytest
from tests.keras_models import import_keras

PRETEND = """
import sys, types
keras = types.ModuleType("keras")
keras.__version__ = "{version}"
keras.config = types.SimpleNamespace(backend=lambda: "{backend}")
sys.modules["keras"] = {module}
import sulsul.keras
"""


@pytest.mark.parametrize(
    ("version", "backend", "module", "message"),
    [
        ("3.3.0", "jax", "keras", "imported with 'jax'. Set the environment variable KERAS_BACKEND=torch"),
        ("2.15.0", "tensorflow", "keras", "needs Keras 3, and Keras 2.15.0 is installed"),
        ("3.3.0", "torch", "None", "pip install 'sulsul[keras]'"),
    ],
)
def test_what_is_missing_is_named(version, backend, module, message):
    program = PRETEND.format(version=version, backend=backend, module=module)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: sulsul.keras")
    assert message in last


def test_public_names():
    import_keras()
    import sulsul.keras as ours

    assert ours.__all__ == sorted(ours.__all__, key=lambda name: (not name.isupper(), name))
    assert all(getattr(ours, name).__module__.startswith("sulsul.keras.") for name in ours.__all__)
    assert os.environ["KERAS_BACKEND"] == "torch"
