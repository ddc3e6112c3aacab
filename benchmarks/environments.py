"""A virtual environment per peer, made once under ``benchmarks/.venvs``."""

import subprocess
import sys
import venv
from pathlib import Path

FOLDER = Path(__file__).with_name(".venvs")

REQUIREMENTS = {
    "keras-tensorflow": ["keras>=3.15,<4", "tensorflow-cpu>=2.20"],
    "keras-jax": ["keras>=3.15,<4", "jax>=0.7"],
    "torch": ["torch==2.13.0", "numpy"],
    "onnxruntime": ["onnxruntime>=1.20", "onnx>=1.17"],
}


def python_of(environment: str) -> Path:
    """Return the Python of a peer's environment, made and filled if it is not there; sulsul's is the running one.

    Raises
    ------
    subprocess.CalledProcessError
        If pip cannot install the peer; its output has been printed.
    """
    if environment == "sulsul":
        return Path(sys.executable)
    folder = FOLDER / environment
    complete = folder / ".complete"
    wanted = "\n".join(REQUIREMENTS[environment])
    if not complete.exists() or complete.read_text() != wanted:
        print(f"installing {environment} into {folder} …", flush=True)
        venv.create(folder, with_pip=True)
        constraints = Path(__file__).with_name("constraints.txt")
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "-c", str(constraints)]
        subprocess.run([*pip, *REQUIREMENTS[environment]], check=True)
        complete.write_text(wanted)
    return folder / "bin" / "python"
