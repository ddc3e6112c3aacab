"""Runs that are killed with SIGKILL and resumed end with the bytes of undisturbed ones."""

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "kill.py"


def test_killed_runs_lose_nothing() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--kills", "12", "--seed", "3"], capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("12 kills")
    assert "nothing lost" in done.stdout
