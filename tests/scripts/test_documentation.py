"""The documentation's scripts, and the notebook itself."""

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("run_notebook", "run_tour", "site_pages")


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    yield {name: import_module(name) for name in NAMES}
    for name in NAMES:
        del sys.modules[name]


def outputs(notebook: object) -> str:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]  # type: ignore[attr-defined]
    return "\n".join(output.get("text", "") for cell in cells for output in cell.outputs)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_every_cell_of_the_notebook_runs(scripts: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    ran = outputs(scripts["run_notebook"].run_notebook(ROOT / "docs" / "from-csv-to-server.ipynb", timeout_s=120))
    accuracy = re.search(r"accuracy (0\.\d+) \(95 %", ran)
    assert accuracy is not None
    assert float(accuracy[1]) > 0.8  # a bag of words gets about 0.55 here
    assert "{'label': 'positive', 'probability': 0." in ran


def test_the_committed_notebook_has_its_outputs(scripts: dict[str, ModuleType]) -> None:
    nbformat = scripts["run_notebook"].nbformat
    path = ROOT / "docs" / "from-csv-to-server.ipynb"
    assert "95 % interval" in outputs(nbformat.read(path, as_version=4))
    assert path.stat().st_size < 100_000


def test_commands_are_run_and_their_outputs_replaced(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    block = "$ echo one > file\nold output\n$ cat file \\\n    file; echo err >&2\n"
    renewed = scripts["run_tour"].run_block(block, tmp_path)
    assert renewed == "$ echo one > file\n$ cat file \\\n    file; echo err >&2\none\none\nerr\n"
    assert scripts["run_tour"].run_block(renewed, tmp_path) == renewed


def test_a_failing_command_is_named(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"(?s)\$ false \| cat.*exit code 1"):
        scripts["run_tour"].run_block("$ true\n$ false | cat\n$ true\n", tmp_path)


def test_links_lead_to_pages(scripts: dict[str, ModuleType]) -> None:
    to_site = scripts["site_pages"].to_site
    text = "[a](docs/mistakes.md#x) [b](CONTRIBUTING.md) [c](pyproject.toml) [d](https://example.org) [e](#here)"
    assert to_site(text, "index.md") == (
        "[a](mistakes.md#x) [b](source/contributing.md) c [d](https://example.org) [e](#here)"
    )
    assert to_site("[up](../README.md)", "source/x.md", "docs") == "[up](../index.md)"
    with pytest.raises(FileNotFoundError, match=r"gone\.md leads to no file"):
        to_site("[x](gone.md)", "index.md")


def test_every_room_and_command_has_its_place_in_the_reference(scripts: dict[str, ModuleType]) -> None:
    pages = scripts["site_pages"].reference_pages()
    assert {"training", "errors", "estimator", "kernels", "cli", "index"} <= set(pages)
    assert "::: sulsul.training\n" in pages["training"]
    assert "::: sulsul.kernels.reference\n" in pages["kernels"]
    assert "## `sulsul train`" in pages["cli"]
    assert "..." not in pages["cli"].split("**Commands**")[1].split("##")[0]


def test_the_readme_has_the_sections_that_the_start_page_shows(scripts: dict[str, ModuleType]) -> None:
    page = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    asked = scripts["site_pages"]._README_SECTION.findall(page)
    sections = scripts["site_pages"].readme_sections(ROOT / "README.md")
    assert asked
    assert set(asked) <= set(sections)
