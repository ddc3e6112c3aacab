"""From what the user typed to the files of one format that are meant."""

import glob
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sulsul.corpora.datasets import DATASETS, find_dataset
from sulsul.corpora.settings import DataSettings
from sulsul.errors import DataError, UsageError

Format = Literal["csv", "tsv", "jsonl", "parquet", "folder", "npz"]

_BY_SUFFIX: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".npz": "npz",
}
_PACKED = {".gz", ".zst"}
_HEAD_BYTES = 1 << 14


@dataclass(frozen=True)
class ResolvedSource:
    """The files of a source in reading order.

    ``remote``: they are addresses that only Polars opens. ``split_column``: the column by which a named data set
    assigns rows to parts.
    """

    name: str
    format: Format
    paths: tuple[str, ...]
    remote: bool
    split_column: str | None = None


def resolve_source(settings: DataSettings, *, role: str = "data") -> ResolvedSource:
    """Return the files that ``settings.source`` means, and their format.

    Raises
    ------
    UsageError
        If no source was given.
    DataError
        If nothing is there, it is empty, or the format is neither given nor recognised.
    """
    source = settings.source
    if not source:
        raise UsageError(f"no {role} was given; name a file, a folder, a glob, an address or a data set.")
    if "://" in source:
        return _remote(source, settings)
    path = Path(source).expanduser()
    if path.is_dir():
        return _folder(path, source, settings)
    paths = [path] if path.is_file() else _matching(path)
    paths = [found for found in paths if not found.is_dir()]
    if not paths and source in DATASETS:
        return _named(source, settings)
    if not paths:
        raise DataError(_missing(path, source, role))
    if empty := next((found for found in paths if found.stat().st_size == 0), None):
        raise DataError(f"{empty} is empty.")
    formats = {found: _format_of(found, settings) for found in paths}
    if len(set(formats.values())) > 1:
        raise DataError(f"{source} matches files of several formats ({', '.join(sorted(set(formats.values())))}).")
    return ResolvedSource(source, formats[paths[0]], tuple(map(str, paths)), remote=False)


def _matching(pattern: Path) -> list[Path]:
    # Path.glob wants a relative pattern and a folder to begin in; glob.glob takes what the user typed.
    return sorted(Path(found) for found in glob.glob(str(pattern), recursive=True))  # noqa: PTH207


def _remote(source: str, settings: DataSettings) -> ResolvedSource:
    if settings.format != "auto":
        found: Format | None = settings.format
    else:
        names = [Path(source.split("?")[0])]
        found = _by_name(names[0])
    if found is None:
        raise UsageError(f"{source}: the name does not tell the format; give --format csv, tsv, jsonl or parquet.")
    if found in ("folder", "npz"):
        raise DataError(f"{source}: {found} is read from this machine only; download it first.")
    return ResolvedSource(source, found, (source,), remote=True)


def _named(name: str, settings: DataSettings) -> ResolvedSource:
    if settings.format not in ("auto", "parquet"):
        raise UsageError(f"{name} is the name of a data set; its format cannot be chosen.")
    path = find_dataset(name)
    if path is None:
        raise DataError(f"the data set {name!r} is not here yet; fetch it with: sulsul datasets get {name}")
    return ResolvedSource(name, "parquet", (str(path),), remote=False, split_column=DATASETS[name].split_column)


def _folder(path: Path, source: str, settings: DataSettings) -> ResolvedSource:
    """Return the Parquet files of a folder, as Spark and Ray write them, or else the folder as one of classes."""
    files = _parquet_files(path) if settings.format in ("auto", "parquet") else []
    if files:
        return ResolvedSource(source, "parquet", tuple(map(str, files)), remote=False)
    if settings.format not in ("auto", "folder"):
        raise DataError(f"{source} is a folder, not a {settings.format} file; give a file or a glob.")
    return ResolvedSource(source, "folder", (str(path),), remote=False)


def _parquet_files(folder: Path) -> list[Path]:
    # Names that begin with a dot or an underscore are not data there, by the convention of Hadoop.
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix in (".parquet", ".pq") and path.is_file() and not path.name.startswith((".", "_"))
    )


def _missing(path: Path, source: str, role: str) -> str:
    if any(character in source for character in "*?["):
        return f"no {role} file matches {source}."
    if path.parent.is_dir() and str(path.parent) != ".":
        beside = sorted(found.name for found in path.parent.iterdir())[:8]
        return f"{source}: there is no such {role} file; {path.parent} holds {', '.join(beside) or 'nothing'}."
    return f"{source}: there is no such {role} file or folder."


def _format_of(path: Path, settings: DataSettings) -> Format:
    if settings.format == "folder":
        raise DataError(f"{path} is a file; the folder format needs a folder with one folder per class.")
    if settings.format != "auto":
        return settings.format
    found = _by_name(path) or _by_content(path)
    if found is None:
        raise DataError(
            f"{path}: neither name nor content tells the format; give --format csv, tsv, jsonl, parquet or npz."
        )
    return found


def _by_name(path: Path) -> Format | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return _BY_SUFFIX.get(suffixes[-1]) if suffixes else None


def _by_content(path: Path) -> Format | None:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"PK\x03\x04"):
        return "npz"
    # Zero bytes aside, the marks looked for read the same in every encoding that is recognised.
    plain = head.removeprefix(b"\xef\xbb\xbf").replace(b"\x00", b"").lstrip(b"\xff\xfe").lstrip()
    if plain.startswith(b"{"):
        return "jsonl"
    header = plain.split(b"\n", 1)[0]
    if b"\t" in header:
        return "tsv"
    return "csv" if b"," in header else None
