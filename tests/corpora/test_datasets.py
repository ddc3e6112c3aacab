"""Named data sets: fetched from a loopback server that cuts, refuses, lies and forgets."""

import gzip
import hashlib
import io
import json
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest

from sulsul.corpora import DataSettings, SplitSettings, read_corpus, read_splits
from sulsul.corpora.datasets import DATASETS, cache_folder, find_dataset, get_dataset
from sulsul.corpora.downloads import RemoteFile, download
from sulsul.errors import DataError, DatasetError, OutputError, UsageError

CONTENT = b"".join(b"%07d\n" % i for i in range(100_000))
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """What the server has and how it behaves; ``cuts`` are the numbers of bytes after which it hangs up."""

    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    honours_range: bool = True
    wrong_range: bool = False
    announces_length: bool = True
    version: str = '"v1"'
    asked: list[str] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def site() -> Iterator[Site]:
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append(wanted or "all")
            if state.statuses and (status := state.statuses.pop(0)) != 200:
                self.send_error(status)
                return
            content = state.files.get(self.path.lstrip("/"))
            if content is None:
                self.send_error(404)
                return
            start = 0
            if wanted and state.honours_range and self.headers.get("If-Range", state.version) == state.version:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(content):
                    self.send_error(416)
                    return
                first = 0 if state.wrong_range else start
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            self.send_header("ETag", state.version)
            if state.announces_length:
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            end = start + state.cuts.pop(0) if state.cuts else len(content)
            self.wfile.write(content[start:end])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(site: Site, folder: Path, **changed: object) -> Path:
    site.files.setdefault("data.txt", CONTENT)
    file = replace(RemoteFile(f"{site.address}/data.txt", "data.txt", SHA256, len(CONTENT)), **changed)  # type: ignore[arg-type]
    return download(file, folder, first_pause_s=0.0)


def test_a_file_is_fetched_once(site: Site, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    site.files["data.txt"] = CONTENT
    file = RemoteFile(f"{site.address}/data.txt", "data.txt", SHA256, len(CONTENT))
    path = download(file, tmp_path, progress=lambda *state: seen.append(state))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == ("data.txt", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert download(file, tmp_path) == path
    assert site.asked == ["all"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["data.txt"]


def test_a_cut_connection_is_continued(site: Site, tmp_path: Path) -> None:
    site.cuts = [300_000, 0, 1, 200_000]
    assert fetch(site, tmp_path).read_bytes() == CONTENT
    assert site.asked == ["all", "bytes=300000-", "bytes=300000-", "bytes=300001-", "bytes=500001-"]


def test_a_later_call_continues(site: Site, tmp_path: Path) -> None:
    site.cuts = [300_000] + [0] * 5
    with pytest.raises(DatasetError, match=r"broke off at byte 300000 of 800000.* The 300000 bytes .* are kept"):
        fetch(site, tmp_path)
    site.asked.clear()
    site.cuts.clear()
    assert fetch(site, tmp_path).read_bytes() == CONTENT
    assert site.asked == ["bytes=300000-"]


def test_a_file_that_changed_in_between_is_fetched_anew(site: Site, tmp_path: Path) -> None:
    site.files["data.txt"] = b"old " * 200_000
    site.cuts = [300_000] + [0] * 5
    with pytest.raises(DatasetError):
        fetch(site, tmp_path)
    site.files["data.txt"], site.version = CONTENT, '"v2"'
    site.cuts.clear()
    assert fetch(site, tmp_path).read_bytes() == CONTENT


def test_a_kept_beginning_of_another_version_is_dropped(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data.txt.part").write_bytes(b"something else")
    assert fetch(site, tmp_path).read_bytes() == CONTENT
    assert site.asked == ["bytes=14-", "all"]


@pytest.mark.parametrize("behaviour", ["honours_range", "wrong_range"])
def test_a_server_that_ignores_or_bungles_ranges(site: Site, tmp_path: Path, behaviour: str) -> None:
    setattr(site, behaviour, behaviour == "wrong_range")
    site.cuts = [300_000]
    assert fetch(site, tmp_path).read_bytes() == CONTENT


def test_a_kept_part_longer_than_the_file(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data.txt.part").write_bytes(CONTENT + b"more")
    assert fetch(site, tmp_path).read_bytes() == CONTENT
    (tmp_path / "data.txt").unlink()
    (tmp_path / "data.txt.part").write_bytes(CONTENT + b"more")
    assert fetch(site, tmp_path, sha256=None, size_bytes=None).read_bytes() == CONTENT


def test_a_part_that_is_whole_needs_no_request(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data.txt.part").write_bytes(CONTENT)
    assert fetch(site, tmp_path).read_bytes() == CONTENT
    assert site.asked == []


def test_a_server_that_does_not_announce_the_length(site: Site, tmp_path: Path) -> None:
    site.announces_length = False
    site.cuts = [300_000]
    assert fetch(site, tmp_path).read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing_behind(site: Site, tmp_path: Path) -> None:
    site.files["data.txt"] = CONTENT[:-1] + b"x"
    with pytest.raises(
        DatasetError, match=rf"the checksum does not match \(sha256 \w+, 800000 bytes; expected {SHA256}"
    ):
        fetch(site, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_altered_file_in_place_is_fetched_anew(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_bytes(CONTENT[:-1] + b"x")
    assert fetch(site, tmp_path).read_bytes() == CONTENT


def test_answers_that_will_not_change(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.txt: the server answered 404 Not Found\. The publisher may have"):
        fetch(site, tmp_path, url=f"{site.address}/none.txt")
    assert site.asked == ["all"]


def test_answers_worth_another_try(site: Site, tmp_path: Path) -> None:
    site.statuses = [503, 429, 500]
    assert fetch(site, tmp_path).read_bytes() == CONTENT
    site.statuses = [503] * 9
    with pytest.raises(DatasetError, match=r"the server answered 503 .* after 5 attempts"):
        fetch(site, tmp_path, name="other.txt")


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="the server cannot be reached"):
        download(RemoteFile("http://127.0.0.1:9/data.txt", "data.txt"), tmp_path, first_pause_s=0.0)
    with pytest.raises(DatasetError, match="only http and https"):
        download(RemoteFile("file:///etc/passwd", "data.txt"), tmp_path)


def tarball(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("aclImdb/train/pos/9_9.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return gzip.compress(buffer.getvalue())


def offer(monkeypatch: pytest.MonkeyPatch, site: Site, name: str, files: dict[str, bytes], n_rows: int) -> None:
    """Let the server have these files as the data set's, with their checksums in the registry."""
    site.files.update(files)
    pinned = DATASETS[name].pinned
    remote = tuple(
        replace(file, sha256=hashlib.sha256(files[file.name]).hexdigest() if pinned else None,
                size_bytes=len(files[file.name]) if pinned else None)
        for file in DATASETS[name].files
    )  # fmt: skip
    monkeypatch.setitem(DATASETS, name, replace(DATASETS[name], files=remote, n_rows=n_rows))


IMDB = {
    "aclImdb/README": b"read me",
    "aclImdb/test/neg/0_2.txt": b"awful",
    "aclImdb/train/pos/1_9.txt": "größtes Kino".encode(),
    "aclImdb/train/neg/0_3.txt": b"bad <br />",
    "aclImdb/train/pos/0_7.txt": b"good",
    "aclImdb/train/unsup/0_0.txt": b"unknown",
    "../../escape.txt": b"escaped",
    "/aclImdb/train/pos/5_5.txt": b"absolute",
    "aclImdb/test/pos/0_10.txt": b"fine",
}


def test_imdb_is_read_from_its_archive(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, site, "imdb", {"aclImdb_v1.tar.gz": tarball(IMDB)}, 5)
    path = get_dataset("imdb", tmp_path / "cache", site.address)
    frame = pl.read_parquet(path)
    assert frame["id"].to_list() == ["train/neg/0_3", "train/pos/0_7", "train/pos/1_9", "test/neg/0_2", "test/pos/0_10"]
    assert frame["text"].to_list() == ["bad <br />", "good", "größtes Kino", "awful", "fine"]
    assert frame.columns == ["id", "text", "label", "split"]
    assert not list(tmp_path.rglob("escape.txt"))
    assert sorted(entry.name for entry in path.parent.iterdir()) == [".lock", "imdb.parquet", "manifest.json"]
    assert json.loads((path.parent / "manifest.json").read_text())["checksums"] == "published"
    site.files.clear()
    assert get_dataset("imdb", tmp_path / "cache", site.address) == path


def test_a_cached_data_set_is_a_source_with_its_own_split(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SULSUL_CACHE", str(tmp_path))
    with pytest.raises(DataError, match="the data set 'nsmc' is not here yet; fetch it with: sulsul datasets get nsmc"):
        read_corpus(DataSettings(source="nsmc"))
    train = 'id\tdocument\tlabel\n1\t"하나"\t1\n2\t\t0\n3\t셋 "넷"\t1\n'.encode()
    test = "id\tdocument\tlabel\n4\t다섯\t0\n".encode()
    offer(monkeypatch, site, "nsmc", {"ratings_train.txt": train, "ratings_test.txt": test}, 4)
    assert get_dataset("nsmc", base_url=site.address) == tmp_path / "nsmc" / "nsmc.parquet"
    corpus, splits = read_splits(DataSettings(source="nsmc"), SplitSettings(validation=0.0))
    assert corpus.texts.to_list() == ["하나", "", '셋 "넷"', "다섯"]
    assert splits.train.tolist() == [0, 1, 2]
    assert splits.test.tolist() == [3]
    with pytest.raises(UsageError, match="its format cannot be chosen"):
        read_corpus(DataSettings(source="nsmc", format="csv"))


def test_ag_news_gets_the_names_of_its_classes(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = b'"3","Wall St.","Short-sellers, Wall Street\'s ""band"" of \\$50"\n"4","Title","Text"\n'
    offer(monkeypatch, site, "ag-news", {"train.csv": train, "test.csv": b'"1","T","D"\n'}, 3)
    frame = pl.read_parquet(get_dataset("ag-news", tmp_path, site.address))
    assert frame.rows() == [
        ("Business", "Wall St.", 'Short-sellers, Wall Street\'s "band" of \\$50', "train"),
        ("Sci/Tech", "Title", "Text", "train"),
        ("World", "T", "D", "test"),
    ]


SEOUL = "번호,분류,제목,내용,내용번호\n1,행정,제목,내용,7\n"


def test_without_a_published_checksum_the_first_download_counts(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, site, "seoul-120", {"seoul-120-text.csv": SEOUL.encode()}, 1)
    path = get_dataset("seoul-120", tmp_path, site.address)
    manifest = json.loads((path.parent / "manifest.json").read_text())
    assert manifest["checksums"] == "recorded at the first download"
    assert manifest["files"]["seoul-120-text.csv"]["sha256"] == hashlib.sha256(SEOUL.encode()).hexdigest()
    path.unlink()
    assert get_dataset("seoul-120", tmp_path, site.address) == path
    path.unlink()
    site.files["seoul-120-text.csv"] = SEOUL.encode() + "2,복지,다른,것,8\n".encode()
    with pytest.raises(DatasetError, match="checksum does not match"):
        get_dataset("seoul-120", tmp_path, site.address)


def test_an_altered_cache_is_fetched_again(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, site, "seoul-120", {"seoul-120-text.csv": SEOUL.encode()}, 1)
    path = get_dataset("seoul-120", tmp_path, site.address)
    path.write_bytes(path.read_bytes() + b" ")
    assert find_dataset("seoul-120", tmp_path) is None
    assert get_dataset("seoul-120", tmp_path, site.address) == path
    assert find_dataset("seoul-120", tmp_path) == path
    (path.parent / "manifest.json").write_text("{ damaged")
    assert find_dataset("seoul-120", tmp_path) is None
    assert get_dataset("seoul-120", tmp_path, site.address) == path


def test_files_that_are_not_what_they_were(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, site, "imdb", {"aclImdb_v1.tar.gz": tarball(IMDB)}, 50_000)
    with pytest.raises(DatasetError, match="imdb gave 5 rows where 50000 were expected"):
        get_dataset("imdb", tmp_path, site.address)
    offer(monkeypatch, site, "imdb", {"aclImdb_v1.tar.gz": b"<html>moved</html>"}, 5)
    with pytest.raises(DatasetError, match="the files of imdb are not what they were"):
        get_dataset("imdb", tmp_path, site.address)
    offer(monkeypatch, site, "seoul-120", {"seoul-120-text.csv": b"<html>,moved</html>\n1,2\n"}, 1)
    with pytest.raises(DatasetError, match="the files of seoul-120 are not what they were"):
        get_dataset("seoul-120", tmp_path, site.address)
    assert find_dataset("imdb", tmp_path) is None
    assert find_dataset("seoul-120", tmp_path) is None


def test_two_at_once_fetch_once(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, site, "imdb", {"aclImdb_v1.tar.gz": tarball(IMDB)}, 5)
    slow = DATASETS["imdb"].prepare
    monkeypatch.setitem(
        DATASETS, "imdb", replace(DATASETS["imdb"], prepare=lambda paths: (time.sleep(0.05), slow(paths))[1])
    )
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: get_dataset("imdb", tmp_path, site.address), range(4)))
    assert len(set(paths)) == 1
    assert site.asked == ["all"]


def test_an_unknown_name_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no data set 'imbd'; there are ag-news, imdb, nsmc, seoul-120"):
        get_dataset("imbd", tmp_path)


def test_a_cache_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        get_dataset("imdb", tmp_path / "file")


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder(tmp_path) == tmp_path
    monkeypatch.setenv("SULSUL_CACHE", str(tmp_path / "there"))
    assert cache_folder() == tmp_path / "there"
    monkeypatch.delenv("SULSUL_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "sulsul"


def test_the_registry_says_which_checksums_are_published() -> None:
    assert {name: dataset.pinned for name, dataset in DATASETS.items()} == {
        "imdb": True,
        "nsmc": True,
        "ag-news": True,
        "seoul-120": False,
    }
