"""Fixtures shared by the whole suite."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data beside the repository; the test is skipped when it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data beside the repository is absent")
    return folder


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``corpus.csv`` and the finished run ``run``; tests must not change it."""
    from tests.trained import tiny_run

    folder = tmp_path_factory.mktemp("finished")
    tiny_run(folder)
    return folder
