"""Batches hold the same texts as the whole, at memory that does not grow."""

import io
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from sulsul.corpora import DataSettings, iter_texts, read_corpus
from sulsul.errors import DataError, EncodingError

FRAME = pl.DataFrame(
    {"id": list("abcdefg"), "text": ["하나", None, "셋", "", "다섯", "여섯", "nan"], "label": list("xyxyxyx")}
)


@pytest.mark.parametrize("batch_rows", [1, 2, 7, 100])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_batches_equal_the_whole(tmp_path: Path, suffix: str, batch_rows: int) -> None:
    path = tmp_path / f"t.{suffix}"
    match suffix:
        case "csv" | "tsv":
            FRAME.write_csv(path, separator="," if suffix == "csv" else "\t")
        case "jsonl":
            FRAME.write_ndjson(path)
        case _:
            FRAME.write_parquet(path)
    settings = DataSettings(source=str(path))
    whole = read_corpus(settings)
    batches = list(iter_texts(settings, batch_rows, labels="optional"))
    assert max(map(len, batches)) <= batch_rows
    assert [text for batch in batches for text in batch.texts] == whole.texts.to_list()
    assert [row for batch in batches for row in batch.rows] == whole.rows.tolist()
    assert whole.ids is not None
    assert [key for batch in batches if batch.ids is not None for key in batch.ids] == whole.ids.to_list()
    assert whole.labels is not None
    assert [x for batch in batches if batch.labels is not None for x in batch.labels] == whole.labels.to_list()
    assert sum(batch.audit.n_rows for batch in batches) == whole.audit.n_rows
    assert sum(batch.audit.n_missing for batch in batches) == whole.audit.n_missing
    assert batches[-1].location(len(batches[-1]) - 1) == f"{path}, row 7"


@pytest.mark.parametrize("limit", [1, 3, 7, 9])
def test_limit_over_several_files(tmp_path: Path, limit: int) -> None:
    for name, part in (("a", FRAME[:3]), ("b", FRAME[3:])):
        part.write_csv(tmp_path / f"{name}.csv")
    settings = DataSettings(source=str(tmp_path / "*.csv"), limit=limit)
    texts = [text for batch in iter_texts(settings, 2) for text in batch.texts]
    assert texts == read_corpus(settings).texts.to_list()
    assert len(texts) == min(limit, 7)


@pytest.mark.parametrize(("name", "gap"), [("t.csv", "\n"), ("t.jsonl", "\n\n")])
def test_empty_lines_count_as_rows_under_a_limit(tmp_path: Path, name: str, gap: str) -> None:
    path = tmp_path / name
    lines = ["id,text", "1,a", "", "", "2,b", "3,c"]
    if name == "t.jsonl":
        lines = ['{"text": "a"}', "", "", '{"text": "b"}', '{"text": "c"}']
    path.write_text("\n".join(lines) + gap)
    settings = DataSettings(source=str(path), limit=4)
    assert read_corpus(settings, labels="ignored").texts.to_list() == ["a", "b"]
    assert [text for batch in iter_texts(settings, 1) for text in batch.texts] == ["a", "b"]


def test_rows_after_the_limit_are_not_examined(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('id,text\n1,a\n2,b\n3,"broken\n')
    assert sum(len(batch) for batch in iter_texts(DataSettings(source=str(path), limit=2), 2)) == 2


def test_standard_input_holds_one_text_per_line() -> None:
    stream = io.BytesIO('\ufeff하나\n\r\n둘 "셋"\r\n넷'.encode())
    batches = list(iter_texts(DataSettings(source="-"), 2, stream=stream))
    assert [batch.texts.to_list() for batch in batches] == [["하나", ""], ['둘 "셋"', "넷"]]
    assert [batch.rows.tolist() for batch in batches] == [[1, 2], [3, 4]]
    assert batches[1].location(0) == "standard input, row 3"


def test_standard_input_gives_each_batch_as_soon_as_it_is_full() -> None:
    class Slow(io.BytesIO):
        def __next__(self) -> bytes:
            line = super().__next__()
            assert line != b"too early\n"
            return line

    batches = iter_texts(DataSettings(source="-"), 2, stream=Slow(b"a\nb\ntoo early\n"))
    assert next(batches).texts.to_list() == ["a", "b"]


def test_standard_input_as_a_table() -> None:
    settings = DataSettings(source="-", format="csv")
    (batch,) = iter_texts(settings, 10, stream=io.BytesIO(b'id,text\n7,"a, b"\n'))
    assert batch.texts.to_list() == ["a, b"]
    settings = DataSettings(source="-", format="jsonl")
    (batch,) = iter_texts(settings, 10, stream=io.BytesIO(b'{"text": "a"}\n'))
    assert batch.texts.to_list() == ["a"]


def test_undecodable_standard_input_names_line_and_offset() -> None:
    batches = iter_texts(DataSettings(source="-"), 1, stream=io.BytesIO(b"good\nb\xffd\n"))
    assert next(batches).texts.to_list() == ["good"]
    with pytest.raises(EncodingError, match="standard input, line 2: byte 0xFF at offset 6 is not utf-8"):
        next(batches)
    settings = DataSettings(source="-", encoding="cp949")
    (batch,) = iter_texts(settings, 10, stream=io.BytesIO("한글\n".encode("cp949")))
    assert batch.texts.to_list() == ["한글"]


def test_the_first_rows_of_standard_input() -> None:
    batches = list(iter_texts(DataSettings(source="-", limit=3), 2, stream=io.BytesIO(b"a\nb\nc\nd\n")))
    assert [batch.texts.to_list() for batch in batches] == [["a", "b"], ["c"]]


def test_a_table_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    FRAME.head(0).write_parquet(path)
    with pytest.raises(DataError, match="has no rows"):
        list(iter_texts(DataSettings(source=str(path)), 10))


PEAK = """
import sys
from sulsul.corpora import DataSettings, iter_texts
n = sum(len(batch) for batch in iter_texts(DataSettings(source=sys.argv[1]), 1024))
# Not getrusage: its peak includes what the parent held when it forked.
status = open("/proc/self/status").read()
print(n, status.split("VmHWM:")[1].split()[0])
"""


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, suffix: str) -> None:
    peaks = []
    for n_rows in (2_000, 120_000):
        path = tmp_path / f"{n_rows}.{suffix}"
        frame = pl.DataFrame({"text": [f"{i} " + "짧은 글이 이어진다 " * 12 for i in range(n_rows)]})
        frame.write_csv(path) if suffix == "csv" else frame.write_ndjson(path)
        answer = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
        n_read, peak_kib = map(int, answer.stdout.split())
        assert n_read == n_rows
        peaks.append(peak_kib / 1024)
    assert path.stat().st_size > 30e6
    # 38 MB more text; what grows is the allocator's slack.
    assert peaks[1] - peaks[0] < 12
