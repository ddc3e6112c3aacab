"""A file that is written bit by bit over hours and, after a kill, goes on where it stood.

What is written goes to ``FILE.partial``; ``FILE.partial.json`` says up to which byte it can be relied on and where in
the source that is. The file itself appears when it is complete.
"""

import fcntl
import glob
import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sulsul.errors import OutputError
from sulsul.files import output_error, sync_folder, write_text_atomically

SAVE_INTERVAL_S = 1.0
"""At most so much work is done again after a kill."""

Position = TypeVar("Position", bound=BaseModel)


class _Journal(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    task: str
    n_bytes: int = Field(ge=0)
    position: dict[str, str | int]


class ResumableOutput:
    """The open partial file, at its end.

    Attributes
    ----------
    text
        Where to write.
    """

    def __init__(self, output: Path, file: BinaryIO, task: str) -> None:
        self.text: IO[str] = io.TextIOWrapper(file, encoding="utf-8", newline="")
        self._journal = journal_path(output)
        self._file = file
        self._task = task
        self._saved_at = time.monotonic()

    def reached(self, position: BaseModel) -> None:
        """Say that all up to a place in the source is written; remembered on disk once in :data:`SAVE_INTERVAL_S`."""
        if time.monotonic() - self._saved_at < SAVE_INTERVAL_S:
            return
        self.text.flush()
        # The bytes must be there before the journal says so, even if the power fails in between.
        os.fsync(self._file.fileno())
        journal = _Journal(task=self._task, n_bytes=self._file.tell(), position=position.model_dump())
        write_text_atomically(self._journal, journal.model_dump_json())
        self._saved_at = time.monotonic()


@contextmanager
def resumable_output(
    output: Path, task: str, position: type[Position], *, resume: bool
) -> Iterator[tuple[ResumableOutput, Position | None]]:
    """Open the partial file of ``output``; when the block ends well, it becomes ``output``.

    Parameters
    ----------
    output
        The file to replace or create; its folder must exist.
    task
        A digest of all that decides what is written, but for the texts themselves.
    position
        What places in the source are.
    resume
        Go on with a partial file that is there; from the beginning where none is.

    Yields
    ------
    output, position
        Where to write, and the place that earlier work reached; None to begin.

    Raises
    ------
    OutputError
        If a partial file is there and ``resume`` is not given, it belongs to another task or process, or the file
        cannot be written. What was written so far stays, as with any other exception, if it took long enough to be
        worth resuming.
    """
    if output.is_dir():
        raise OutputError(f"{output} is a folder; name a file for the predictions.")
    partial = partial_path(output)
    try:
        with _opened(partial) as file:
            try:
                for leftover in output.parent.glob(f".{glob.escape(journal_path(output).name)}.*.tmp"):
                    leftover.unlink()  # by a process that was killed while it wrote the journal
                reached = _resume_point(output, file, task, position, resume=resume)
                if reached is None:
                    file.truncate(0)
                resumable = ResumableOutput(output, file, task)
                yield resumable, reached
                resumable.text.flush()
                os.fsync(file.fileno())
                partial.replace(output)
                journal_path(output).unlink(missing_ok=True)
                sync_folder(output.parent)
            finally:
                if not journal_path(output).exists():
                    partial.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(output, error) from error


def partial_path(output: Path) -> Path:
    """Return where a file is written that is to become ``output``."""
    return output.with_name(f"{output.name}.partial")


def journal_path(output: Path) -> Path:
    """Return where it is written how much of the partial file can be relied on."""
    return output.with_name(f"{output.name}.partial.json")


@contextmanager
def _opened(partial: Path) -> Iterator[BinaryIO]:
    """Open a file for reading and writing, created when absent, that no other process has open so."""
    # Mode "a+b" would write at the end only, "r+b" not create, "w+b" lose what is there before the lock is held.
    with os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The holder of the lock may have ended meanwhile: then this is no longer the partial file.
            locked = _is_open(partial, file)
        except BlockingIOError:
            locked = False
        if not locked:
            raise OutputError(f"{partial} is being written by another process; choose another output.")
        yield file


def _is_open(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _resume_point(
    output: Path, file: BinaryIO, task: str, position: type[Position], *, resume: bool
) -> Position | None:
    """Return how far earlier work came, with the file cut and ready there; None where there is nothing to keep."""
    journal = _read_journal(output)
    if journal is None:
        return None
    n_bytes = os.fstat(file.fileno()).st_size
    begin_anew = f"remove {partial_path(output)} and {journal_path(output)} to begin anew"
    if not resume:
        raise OutputError(
            f"{partial_path(output)} holds {n_bytes:,} bytes of an unfinished run; add --resume to go on with it, or "
            f"{begin_anew}."
        )
    if journal.task != task:
        raise OutputError(
            f"{output} cannot be resumed: its beginning was written with another classifier, version or other options. "
            f"Repeat the command that began it, or {begin_anew}."
        )
    try:
        reached = position.model_validate(journal.position)
    except ValidationError as error:
        raise OutputError(f"{journal_path(output)} is damaged; {begin_anew}.") from error
    if n_bytes < journal.n_bytes:
        raise OutputError(f"{partial_path(output)} is shorter than when it was left; {begin_anew}.")
    file.truncate(journal.n_bytes)
    file.seek(journal.n_bytes)
    return reached


def _read_journal(output: Path) -> _Journal | None:
    try:
        return _Journal.model_validate_json(journal_path(output).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise OutputError(
            f"{journal_path(output)} is damaged; remove it and {partial_path(output)} to begin anew."
        ) from error
