"""From what was typed to files and formats."""

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest

from sulsul.corpora import DataSettings, iter_texts, read_corpus
from sulsul.errors import DataError, SulsulError, UsageError

FRAME = pl.DataFrame({"text": ["하나", "둘", "셋"], "label": ["x", "y", "x"]})


def test_formats_by_name(tmp_path: Path) -> None:
    FRAME.write_csv(tmp_path / "t.csv")
    FRAME.write_csv(tmp_path / "t.TSV", separator="\t")
    FRAME.write_ndjson(tmp_path / "t.jsonl")
    FRAME.write_parquet(tmp_path / "t.parquet")
    for path in tmp_path.iterdir():
        assert read_corpus(DataSettings(source=str(path))).texts.to_list() == ["하나", "둘", "셋"]


def test_formats_by_content(tmp_path: Path) -> None:
    path = tmp_path / "ratings_train.txt"
    FRAME.write_csv(path, separator="\t")
    assert len(read_corpus(DataSettings(source=str(path)))) == 3
    path.write_bytes(FRAME.write_csv(separator="\t").encode("utf-16"))
    assert len(read_corpus(DataSettings(source=str(path)))) == 3
    FRAME.write_csv(path, include_bom=True)
    assert len(read_corpus(DataSettings(source=str(path)))) == 3
    FRAME.write_ndjson(path)
    assert len(read_corpus(DataSettings(source=str(path)))) == 3
    FRAME.write_parquet(path)
    assert len(read_corpus(DataSettings(source=str(path)))) == 3
    path.write_text("nothing of the kind")
    with pytest.raises(DataError, match=r"neither name nor content tells the format; give --format csv"):
        read_corpus(DataSettings(source=str(path)))


def test_a_folder_of_parquet_files_is_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for number in (1, 0):
        FRAME.with_columns(label=pl.lit(str(number))).write_parquet(tmp_path / f"part-{number}.parquet")
    for name in ("_metadata.parquet", "_SUCCESS", ".part-0.parquet.crc"):
        (tmp_path / name).write_bytes(b"not data")
    corpus = read_corpus(DataSettings(source=str(tmp_path)))
    assert corpus.labels is not None
    assert corpus.labels.to_list() == ["0"] * 3 + ["1"] * 3
    assert corpus.rows.tolist() == [1, 2, 3, 4, 5, 6]
    with pytest.raises(DataError, match="is a folder, not a csv file"):
        read_corpus(DataSettings(source=str(tmp_path), format="csv"))


def test_a_given_format_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    FRAME.write_csv(path, separator="\t")
    assert len(read_corpus(DataSettings(source=str(path), format="tsv"))) == 3


def test_nothing_given() -> None:
    with pytest.raises(UsageError, match="no data was given"):
        read_corpus(DataSettings())


def test_a_missing_file_lists_what_is_beside_it(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\n")
    with pytest.raises(DataError, match=r"tran\.csv: there is no such validation file; .* holds train\.csv"):
        read_corpus(DataSettings(source=str(tmp_path / "tran.csv")), role="validation")
    with pytest.raises(DataError, match=r"no data file matches .*\*\.tsv"):
        read_corpus(DataSettings(source=str(tmp_path / "*.tsv")))
    with pytest.raises(DataError, match="there is no such data file"):
        read_corpus(DataSettings(source=str(tmp_path / "no" / "such" / "folder.csv")))


def test_an_empty_file(tmp_path: Path) -> None:
    for name in ("t.csv", "t.jsonl", "t.parquet", "t.npz"):
        (tmp_path / name).touch()
        with pytest.raises(DataError, match=rf"{name} is empty"):
            read_corpus(DataSettings(source=str(tmp_path / name)))
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf")
    with pytest.raises(DataError, match="is empty"):
        read_corpus(DataSettings(source=str(tmp_path / "t.csv")))


def test_a_glob_of_several_formats(tmp_path: Path) -> None:
    FRAME.write_csv(tmp_path / "t.csv")
    FRAME.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"several formats \(csv, parquet\)"):
        read_corpus(DataSettings(source=str(tmp_path / "*")))


def test_a_name_with_brackets_is_a_file_before_it_is_a_glob(tmp_path: Path) -> None:
    FRAME.write_csv(tmp_path / "t[1].csv")
    assert len(read_corpus(DataSettings(source=str(tmp_path / "t[1].csv")))) == 3


def test_parquet_types(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame({"text": ["a", None, "b"], "label": [1.0, 0.0, 1.0], "id": [7, 8, 9], "n": [1, 2, 3]})
    frame.write_parquet(path)
    corpus = read_corpus(DataSettings(source=str(path)))
    assert corpus.texts.to_list() == ["a", "", "b"]
    assert corpus.labels is not None
    assert corpus.labels.to_list() == ["1", "0", "1"]
    assert corpus.ids is not None
    assert corpus.ids.to_list() == ["7", "8", "9"]
    assert corpus.audit.n_missing == 1
    with pytest.raises(DataError, match=r"t\.parquet: column 'n' holds Int64, not text"):
        read_corpus(DataSettings(source=str(path), text=("n",)))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"t\.parquet cannot be read"):
        read_corpus(DataSettings(source=str(path)))


def test_files_of_different_types(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "1.parquet")
    FRAME.with_columns(label=pl.lit([1, 2])).write_parquet(tmp_path / "2.parquet")
    with pytest.raises(DataError, match="a column is of different types in different files"):
        read_corpus(DataSettings(source=str(tmp_path / "*.parquet")))


class RangeHandler(BaseHTTPRequestHandler):
    files: dict[str, bytes]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        content = self.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        asked = self.headers.get("Range")
        start, end = 0, len(content)
        if asked:
            first, last = asked.removeprefix("bytes=").split("-")
            start = int(first) if first else max(0, len(content) - int(last))
            end = min(int(last) + 1, len(content)) if first and last else len(content)
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(end - start))
        self.send_header("Accept-Ranges", "bytes")
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        self.end_headers()
        if body:
            self.wfile.write(content[start:end])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    buffer = io.BytesIO()
    FRAME.write_parquet(buffer)
    RangeHandler.files = {
        "/t.csv": FRAME.write_csv().encode(),
        "/t.tsv": FRAME.write_csv(separator="\t").encode(),
        "/t.jsonl": FRAME.write_ndjson().encode(),
        "/t.parquet": buffer.getvalue(),
        "/bad.csv": b"text,label\n\xff,x\n",
        "/ragged.csv": b"text,label\na,x,y\n",
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), RangeHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_addresses_are_read_by_polars(address: str, name: str) -> None:
    settings = DataSettings(source=f"{address}/{name}")
    assert read_corpus(settings).texts.to_list() == ["하나", "둘", "셋"]
    assert [text for batch in iter_texts(settings, 2) for text in batch.texts] == ["하나", "둘", "셋"]
    assert read_corpus(settings.model_copy(update={"limit": 2})).texts.to_list() == ["하나", "둘"]


@pytest.mark.parametrize("name", ["none.csv", "bad.csv", "ragged.csv", "none.parquet", "none.jsonl", "t.npz"])
def test_addresses_that_cannot_be_read(address: str, name: str) -> None:
    with pytest.raises(DataError, match=name):
        read_corpus(DataSettings(source=f"{address}/{name}", text=("text",), label="label"))


def test_an_address_without_a_format(address: str) -> None:
    with pytest.raises(SulsulError, match="the name does not tell the format"):
        read_corpus(DataSettings(source=f"{address}/data"))
    with pytest.raises(DataError, match="only UTF-8 can be read from here"):
        read_corpus(DataSettings(source=f"{address}/t.csv", encoding="cp949"))
