"""One contender trained once: what is kept of it, and where."""

import hashlib
import json
import re
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from sulsul.errors import BundleError, OutputError
from sulsul.files import create_folder, write_text_atomically

Answers = tuple[int, ...] | tuple[tuple[int, ...], ...]
_SUFFIX = ".trial.json"


class Trial(BaseModel):
    """One contender, trained with one seed on one split, and its answers to the judged texts.

    Attributes
    ----------
    fold
        From 0; 0 without cross-validation.
    predictions
        Class ids, or one multi-hot row per text, in the order of the judged rows.
    validation_accuracy
        Of the weights that were kept; None without a validation split of its own.
    seconds
        Training and validation; for a baseline everything it took.
    docs_per_s
        Judged texts classified per second, already encoded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    contender: str
    seed: int
    fold: int
    predictions: Answers
    seconds: float
    validation_accuracy: float | None = None
    n_parameters: int | None = None
    docs_per_s: float | None = None
    epochs: int | None = None
    kept_epoch: int | None = None

    @property
    def class_ids(self) -> npt.NDArray[np.int64]:
        """int64 (B,), or multi-hot (B, C)."""
        return np.array(self.predictions, dtype=np.int64)


class TrialStore:
    """Finished trials as one file each in a folder, named by what they were made from.

    A trial is found again only if everything it depends on is the same: specification, seed, texts and split. Files are
    written at once and whole, so whatever interrupts a comparison, each trial is there or not.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def check(self, *, resume: bool) -> None:
        """Refuse a folder that is taken, or in which there is nothing to resume.

        Raises
        ------
        OutputError
            If so.
        """
        if resume and not self.folder.is_dir():
            raise OutputError(f"{self.folder.parent} cannot be resumed: it holds no comparison.")
        if not resume and self.folder.parent.exists():
            raise OutputError(
                f"{self.folder.parent} exists already; choose another folder, or --resume to continue its comparison."
            )

    def create(self) -> None:
        """Make the folder, if there is none.

        Raises
        ------
        OutputError
            If it cannot be made.
        """
        create_folder(self.folder)

    def path(self, name: str, key: dict[str, object]) -> Path:
        """Return the file of a trial: a readable name and the digest of everything it depends on."""
        digest = hashlib.sha256(json.dumps(key, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]
        readable = re.sub(r"[^\w.-]+", "-", name).strip("-")
        return self.folder / f"{readable}-{digest}{_SUFFIX}"

    def load(self, path: Path) -> Trial | None:
        """Return a finished trial, or None.

        Raises
        ------
        BundleError
            If the file is damaged.
        """
        if not path.exists():
            return None
        try:
            return Trial.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            reason = str(error).splitlines()[0]
            raise BundleError(f"{path} is not a trial that can be read ({reason}); delete it to run it anew.") from None

    def save(self, path: Path, trial: Trial) -> None:
        """Keep a finished trial.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        write_text_atomically(path, trial.model_dump_json())
