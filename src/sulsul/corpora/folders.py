"""One folder per class, one text per file; above it, where there is one, a folder per part (train, test)."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from sulsul.corpora.encodings import named_encoding, recognise_encoding, undecodable
from sulsul.corpora.tables import Table, TableBlock, numbered
from sulsul.errors import DataError

_PARTS = ("train", "training", "validation", "valid", "val", "dev", "test")
# The unlabelled reviews of the Large Movie Review Dataset.
_UNLABELLED = "unsup"
_SUFFIX = ".txt"


@dataclass(frozen=True)
class _TextFile:
    path: str
    label: str | None
    part: str | None


class FolderTable(Table):
    """``root/CLASS/*.txt``, ``root/{train,test}/CLASS/*.txt`` (as aclImdb) or, without labels, ``root/*.txt``.

    Columns: ``id`` (the path below the root without suffix), ``text``, ``label``, and ``split`` where there are
    folders per part. Folders named ``unsup`` are left out and counted in the note.

    Raises
    ------
    DataError
        If there is no text file in any of these places.
    """

    def __init__(self, root: Path, encoding: str) -> None:
        super().__init__(str(root))
        self._root = root
        self._given = None if encoding == "auto" else named_encoding(encoding)
        self._n_unlabelled = 0
        self._files = list(self._find())
        if not self._files:
            raise DataError(
                f"{root} holds no {_SUFFIX} files in folders named after classes; "
                f"expected {root}/CLASS/*{_SUFFIX} or {root}/train/CLASS/*{_SUFFIX}."
            )
        self._columns = ["id", "text"]
        if any(file.label is not None for file in self._files):
            self._columns.append("label")
        if any(file.part is not None for file in self._files):
            self._columns.append("split")
            self.split_column = "split"
        self.encoding = self._given or "utf-8"
        if self._n_unlabelled:
            self.note = f"{self._n_unlabelled} texts without a label in {_UNLABELLED} were left out"

    def schema(self) -> dict[str, pl.DataType]:
        """Return the columns that this layout has."""
        return {name: pl.String() for name in self._columns}

    def head(self, n_rows: int) -> pl.DataFrame:
        """Return the first rows with every column."""
        return self.read(self._columns, n_rows).frame

    def read(self, columns: Sequence[str], limit: int | None) -> TableBlock:
        """Return the given columns of the first files, ordered by part, class and name.

        Raises
        ------
        EncodingError
            If a file is undecodable; names it and the byte offset.
        DataError
            If a file cannot be opened.
        """
        return numbered(self._frame(self._files[:limit], columns))

    def batches(self, columns: Sequence[str], batch_rows: int, limit: int | None = None) -> Iterator[TableBlock]:
        """Yield the given columns batch by batch; raises as :meth:`read` does."""
        for start in range(0, len(self._files), batch_rows):
            yield numbered(self._frame(self._files[start : start + batch_rows], columns), start + 1)

    def _frame(self, files: Sequence[_TextFile], columns: Sequence[str]) -> pl.DataFrame:
        cells = {name: [self._cell(file, name) for file in files] for name in columns}
        return pl.DataFrame(cells, schema=dict.fromkeys(columns, pl.String))

    def _cell(self, file: _TextFile, column: str) -> str | None:
        match column:
            case "id":
                return file.path[len(str(self._root)) + 1 : -len(_SUFFIX)]
            case "text":
                return self._text(file)
            case "label":
                return file.label
            case _:
                return file.part

    def _text(self, file: _TextFile) -> str:
        try:
            with open(file.path, "rb") as handle:  # noqa: PTH123 - 50,000 Path objects cost more than the reading
                content = handle.read()
        except OSError as error:
            raise DataError(f"{file.path} cannot be read: {error.strerror}.") from error
        encoding = self._given or "utf-8-sig"
        try:
            text = content.decode(encoding)
            if self._given or "\x00" not in text[:100]:
                return text
        except UnicodeDecodeError as error:
            if self._given:
                raise undecodable(file.path, error.start, content[error.start], self._given) from None
        self.encoding = "mixed"
        found = recognise_encoding(Path(file.path))
        try:
            return content.decode(found)
        except UnicodeDecodeError as error:
            raise undecodable(file.path, error.start, content[error.start], "utf-8, utf-16 or cp949") from None

    def _find(self) -> Iterator[_TextFile]:
        folders = _subfolders(self._root)
        parts: list[str | None] = [
            folder for folder in folders if folder.lower() in _PARTS and _subfolders(self._root / folder)
        ]
        for part in parts or [None]:
            base = self._root if part is None else self._root / part
            for label in _subfolders(base):
                if part is None and label.lower() in _PARTS:
                    continue
                found = _text_files(base / label)
                if label == _UNLABELLED:
                    self._n_unlabelled += len(found)
                else:
                    yield from (_TextFile(path, label, part) for path in found)
        if not parts and not any(_text_files(self._root / folder) for folder in folders):
            yield from (_TextFile(path, None, None) for path in _text_files(self._root))


def _subfolders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _text_files(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(
            entry.path
            for entry in entries
            if entry.name.endswith(_SUFFIX) and not entry.name.startswith(".") and entry.is_file()
        )
