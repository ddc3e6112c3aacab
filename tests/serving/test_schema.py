"""Requests made up from the OpenAPI description, right and wrong, with schemathesis."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

KEY = "a-key-of-more-than-sixteen-letters"


def test_no_made_up_request_breaks_the_server_or_its_description(serving, tmp_path):
    """Every check of schemathesis: no 5xx, only described statuses and contents, bad bodies refused, the key needed."""
    program = Path(sys.executable).with_name("schemathesis")
    if not program.exists():
        pytest.skip("schemathesis is absent")
    # Small limits, so that a body that breaks them is refused for what it says and not for its size, with 413.
    address = serving(SecretStr(KEY), max_texts=20, max_text_characters=200)
    done = subprocess.run(
        [
            *(program, "run", f"{address}openapi.json", "--header", f"Authorization: Bearer {KEY}"),
            *("--checks", "all", "--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--max-time", "5"),
            *("--seed", "1", "--generation-database", "none", "--no-color"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 6" in done.stdout
