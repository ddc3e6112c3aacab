"""Well-known data sets by name: fetched from their official addresses, checked, and kept as one Parquet file each.

Checksums come from what others have published: the url checksums of TensorFlow Datasets (IMDB) and the dataset infos
of Hugging Face Datasets (NSMC, AG News). For the Seoul 120 table nobody has published one: the sha256 of the first
download is recorded, every later download must match it, and the registry and the manifest say so.
"""

import fcntl
import json
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from sulsul.cache import cache_folder
from sulsul.corpora.delimited import DelimitedTable
from sulsul.corpora.downloads import Progress, RemoteFile, download, sha256_of
from sulsul.errors import DataError, DatasetError, UsageError
from sulsul.files import create_folder, output_error, replacing, write_text_atomically

# Raised when a preparation changes, so that what older versions prepared is prepared anew.
_PREPARATION = 1
_AG_CLASSES = {"1": "World", "2": "Sports", "3": "Business", "4": "Sci/Tech"}
_REVIEW = re.compile(r"aclImdb/(train|test)/(pos|neg)/(\d+_\d+)\.txt")
_LARGEST_REVIEW_BYTES = 1 << 20


@dataclass(frozen=True)
class Dataset:
    """A named data set: where it comes from and how its files become one table."""

    name: str
    description: str
    homepage: str
    files: tuple[RemoteFile, ...]
    prepare: Callable[[Mapping[str, Path]], pl.DataFrame]
    n_rows: int
    split_column: str | None = None

    @property
    def pinned(self) -> bool:
        """Whether the checksums of all files are known beforehand; otherwise the first download is trusted."""
        return all(file.sha256 is not None for file in self.files)


def get_dataset(
    name: str, cache_dir: Path | None = None, base_url: str | None = None, progress: Progress | None = None
) -> Path:
    """Return the Parquet file of a data set, fetching it first if it is not in the cache.

    Parameters
    ----------
    name
        A key of :data:`DATASETS`.
    cache_dir
        Instead of the folder that :func:`sulsul.cache.cache_folder` names.
    base_url
        A mirror that has the files under their own names; checksums hold as for the official addresses.
    progress
        Called as ``progress(file name, bytes so far, bytes in all or None)``.

    Raises
    ------
    UsageError
        If there is no data set of this name.
    DatasetError
        If a file cannot be fetched, does not match its checksum or cannot be understood.
    OutputError
        If the cache cannot be written.
    """
    dataset = named_dataset(name)
    folder = cache_folder(cache_dir) / name
    create_folder(folder)
    with _locked(folder):
        if (ready := find_dataset(name, cache_dir)) is not None:
            return ready
        return _fetch(dataset, folder, base_url, progress)


def find_dataset(name: str, cache_dir: Path | None = None) -> Path | None:
    """Return the Parquet file of a data set if it is in the cache, whole and unaltered; else None."""
    folder = cache_folder(cache_dir) / name
    path, manifest = folder / f"{name}.parquet", _read_manifest(folder)
    if manifest.get("preparation") != _PREPARATION or not path.is_file():
        return None
    return path if sha256_of(path) == manifest.get("sha256") else None


def named_dataset(name: str) -> Dataset:
    """Return the registry's entry; raises UsageError with the names there are."""
    if name not in DATASETS:
        raise UsageError(f"there is no data set {name!r}; there are {', '.join(sorted(DATASETS))}.")
    return DATASETS[name]


def _fetch(dataset: Dataset, folder: Path, base_url: str | None, progress: Progress | None) -> Path:
    known = _read_manifest(folder).get("files", {})
    downloads = folder / "downloads"
    downloads.mkdir(exist_ok=True)
    paths: dict[str, Path] = {}
    for file in dataset.files:
        url = file.url if base_url is None else f"{base_url.rstrip('/')}/{file.name}"
        # Without a published checksum the one of the first download counts.
        first = known.get(file.name, {}).get("sha256") if isinstance(known, dict) else None
        paths[file.name] = download(replace(file, url=url, sha256=file.sha256 or first), downloads, progress=progress)
    files = {name: {"sha256": sha256_of(path), "size_bytes": path.stat().st_size} for name, path in paths.items()}
    frame = _prepared(dataset, paths)
    path = folder / f"{dataset.name}.parquet"
    with replacing(path) as output:
        frame.write_parquet(output)
    manifest = {
        "preparation": _PREPARATION,
        "sha256": sha256_of(path),
        "checksums": "published" if dataset.pinned else "recorded at the first download",
        "files": files,
    }
    write_text_atomically(folder / "manifest.json", json.dumps(manifest, indent=2) + "\n")
    shutil.rmtree(downloads)
    return path


def _prepared(dataset: Dataset, paths: Mapping[str, Path]) -> pl.DataFrame:
    try:
        frame = dataset.prepare(paths)
    except (DataError, pl.exceptions.PolarsError, tarfile.TarError, EOFError, OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"the files of {dataset.name} are not what they were: {error}") from error
    if dataset.pinned and frame.height != dataset.n_rows:
        raise DatasetError(f"{dataset.name} gave {frame.height} rows where {dataset.n_rows} were expected.")
    return frame


def _read_manifest(folder: Path) -> dict[str, object]:
    try:
        found = json.loads((folder / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time fetch; the others find what it fetched."""
    try:
        handle = (folder / ".lock").open("a")
    except OSError as error:
        raise output_error(folder / ".lock", error) from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _prepare_imdb(paths: Mapping[str, Path]) -> pl.DataFrame:
    """Read the labelled reviews straight from the archive; nothing is unpacked onto the disk."""
    rows = []
    with tarfile.open(paths["aclImdb_v1.tar.gz"], "r|gz") as archive:
        for member in archive:
            name = _REVIEW.fullmatch(member.name)
            if name is None or not member.isfile() or member.size > _LARGEST_REVIEW_BYTES:
                continue
            content = archive.extractfile(member)
            assert content is not None  # a regular file has content
            part, label, key = name.groups()
            rows.append((f"{part}/{label}/{key}", content.read().decode("utf-8"), label, part))
    frame = pl.DataFrame(rows, schema=dict.fromkeys(("id", "text", "label", "split"), pl.String), orient="row")
    return frame.sort(pl.col("split") == "test", "label", "id")


def _prepare_nsmc(paths: Mapping[str, Path]) -> pl.DataFrame:
    columns = ["id", "document", "label"]
    return _stacked(
        {"train": paths["ratings_train.txt"], "test": paths["ratings_test.txt"]},
        lambda path: DelimitedTable(path, "\t", "utf-8").read(columns, None).frame,
    )


def _prepare_ag_news(paths: Mapping[str, Path]) -> pl.DataFrame:
    def read(path: Path) -> pl.DataFrame:
        frame = pl.read_csv(path, has_header=False, new_columns=["label", "title", "text"], infer_schema=False)
        return frame.with_columns(pl.col("label").replace_strict(_AG_CLASSES))

    return _stacked({"train": paths["train.csv"], "test": paths["test.csv"]}, read)


def _prepare_seoul(paths: Mapping[str, Path]) -> pl.DataFrame:
    columns = ["번호", "분류", "제목", "내용", "내용번호"]
    return DelimitedTable(paths["seoul-120-text.csv"], ",", "auto").read(columns, None).frame


def _stacked(parts: Mapping[str, Path], read: Callable[[Path], pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([read(path).with_columns(pl.lit(part).alias("split")) for part, path in parts.items()])


_NSMC = "https://raw.githubusercontent.com/e9t/nsmc/master/"
_AG_NEWS = "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv/"

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="imdb",
            description="Large Movie Review Dataset (Maas et al. 2011): 50,000 English reviews, pos or neg",
            homepage="https://ai.stanford.edu/~amaas/data/sentiment/",
            files=(
                RemoteFile(
                    "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
                    "aclImdb_v1.tar.gz",
                    "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
                    84_125_825,
                ),
            ),
            prepare=_prepare_imdb,
            n_rows=50_000,
            split_column="split",
        ),
        Dataset(
            name="nsmc",
            description="Naver sentiment movie corpus (Park 2016): 200,000 Korean reviews, 0 or 1",
            homepage="https://github.com/e9t/nsmc",
            files=(
                RemoteFile(
                    _NSMC + "ratings_train.txt",
                    "ratings_train.txt",
                    "e03b7d14e9e41be8d464a28057cd25d7396c53e67aa7fd5f7e552c59b0ee2940",
                    14_628_807,
                ),
                RemoteFile(
                    _NSMC + "ratings_test.txt",
                    "ratings_test.txt",
                    "8ac9f64052f11dbf6ae0acb5e038f03d90a76f0eda7820cfb3a92d02edfcebda",
                    4_893_335,
                ),
            ),
            prepare=_prepare_nsmc,
            n_rows=200_000,
            split_column="split",
        ),
        Dataset(
            name="ag-news",
            description="AG's news topics (Zhang et al. 2015): 127,600 English articles, 4 topics",
            homepage="http://groups.di.unipi.it/~gulli/AG_corpus_of_news_articles.html",
            files=(
                RemoteFile(
                    _AG_NEWS + "train.csv",
                    "train.csv",
                    "76a0a2d2f92b286371fe4d4044640910a04a803fdd2538e0f3f29a5c6f6b672e",
                    29_470_338,
                ),
                RemoteFile(
                    _AG_NEWS + "test.csv",
                    "test.csv",
                    "521465c2428ed7f02f8d6db6ffdd4b5447c1c701962353eb2c40d548c3c85699",
                    1_857_427,
                ),
            ),
            prepare=_prepare_ag_news,
            n_rows=127_600,
            split_column="split",
        ),
        Dataset(
            name="seoul-120",
            description="Seoul 120 call centre: 2,645 Korean questions, 10 fields of administration",
            homepage="https://data.seoul.go.kr",
            files=(RemoteFile("https://bit.ly/seoul-120-text-csv", "seoul-120-text.csv"),),
            prepare=_prepare_seoul,
            n_rows=2_645,
        ),
    )
}
