"""Run every command of a page and write what it printed below it.

    python scripts/run_tour.py docs/tour.md

In a block of the language ``console`` every line that begins with ``$ `` is a command; the rest is output and is
replaced. The blocks run in order in one empty folder; what a block leaves running ends with it. A command that fails
stops the script and leaves the page as it was.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sulsul.files import write_text_atomically

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)$", re.MULTILINE)
_MARK = "\x1e"
_TIMEOUT_S = 1800


def main() -> None:
    """Replace the outputs in the page named on the command line."""
    page = Path(sys.argv[1])
    text = page.read_text(encoding="utf-8")
    with TemporaryDirectory() as folder:
        renewed = _BLOCK.sub(lambda block: f"```console\n{run_block(block[1], Path(folder))}```", text)
    write_text_atomically(page, renewed)


def run_block(block: str, folder: Path) -> str:
    """Return the block with the output of its commands.

    Raises
    ------
    SystemExit
        If a command fails.
    """
    commands = _COMMAND.findall(block)
    script = "\n".join(["set -e -o pipefail", *(f"printf '{_MARK}'\n{command}" for command in commands)])
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=(output := (folder.parent / f"{folder.name}.out").open("w+b")),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        code = process.wait(_TIMEOUT_S)
    finally:
        _end_group(process.pid)
    with output:
        output.seek(0)
        printed = output.read().decode("utf-8").split(_MARK)[1:]
    Path(output.name).unlink()
    if code:
        raise SystemExit(f"$ {commands[len(printed) - 1]}\n{printed[-1]}\nfailed with exit code {code}")
    return "".join(f"$ {command}\n{_tidy(answer)}" for command, answer in zip(commands, printed, strict=True))


def _tidy(answer: str) -> str:
    lines = [line.rstrip() for line in answer.strip("\n").splitlines()]
    return "".join(f"{line}\n" for line in lines)


def _end_group(group: int) -> None:
    """End what the block left running, a server for example."""
    try:
        os.killpg(group, signal.SIGTERM)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    main()
