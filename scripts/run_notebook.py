"""Run the notebooks of the documentation and keep their outputs.

python scripts/run_notebook.py docs/from-csv-to-server.ipynb
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

from sulsul.files import write_text_atomically


def run_notebook(path: Path, *, timeout_s: int = 300) -> nbformat.NotebookNode:
    """Return the notebook with the outputs of a fresh run, without what differs from run to run for no reason.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    with TemporaryDirectory() as folder:
        sockets = {"transport": "ipc", "ip": f"{folder}/kernel"}  # files, no open port
        client = NotebookClient(
            notebook, timeout=timeout_s, kernel_name="python3", config=Config({"KernelManager": sockets})
        )
        client.execute(cwd=folder)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def main() -> None:
    """Replace the outputs of the notebooks named on the command line."""
    for name in sys.argv[1:]:
        write_text_atomically(Path(name), nbformat.writes(run_notebook(Path(name))) + "\n")


if __name__ == "__main__":
    main()
