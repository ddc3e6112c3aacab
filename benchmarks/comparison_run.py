"""Runs of `sulsul compare` that go on where they were stopped."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sulsul.comparison.compare import TRIALS_FOLDER

COLUMNS = 128
"""Width of the printed tables: one table instead of two."""


def run_comparison(source: Path, arguments: Sequence[str], folder: Path, *, fresh: bool) -> str:
    """Run a comparison, or what is left of it, and return what it printed."""
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "sulsul", "compare", str(source), *arguments, "-o", str(folder)]
    if (folder / TRIALS_FOLDER).is_dir():
        command.append("--resume")
    folder.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "COLUMNS": str(COLUMNS)}
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", env=environment)
    if done.returncode:
        sys.exit(done.returncode)
    print(done.stdout, flush=True)
    return done.stdout
