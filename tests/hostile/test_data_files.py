"""Data files that nobody sane would write: read as they are, or refused with a reason, in bounded time and memory."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.cli.test_commands import run

from sulsul import Predictor
from sulsul.corpora import DataSettings, read_corpus
from sulsul.errors import DataError, LabelError
from sulsul.text import LabelEncoder, TextSettings, Tokenizer

LONG = "좋았다 빨리 good " * 4_800_000  # 105 MB of UTF-8


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_text_of_100_megabytes_is_read(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame({"text": ["good", LONG, "bad"], "label": ["a", "b", "a"]})
    write = {"t.csv": frame.write_csv, "t.jsonl": frame.write_ndjson}[name]
    write(tmp_path / name)
    corpus = read_corpus(DataSettings(source=str(tmp_path / name)))
    assert corpus.texts.str.len_bytes().to_list() == [4, len(LONG.encode()), 3]
    assert len(LONG.encode()) > 100_000_000


def test_a_text_of_100_megabytes_is_encoded() -> None:
    tokenizer = Tokenizer.fit([LONG[:100]], TextSettings(max_length=5))
    encoded = tokenizer.encode_with_lengths([LONG])
    assert [tokenizer.vocabulary()[token] for token in encoded.token_ids] == [
        "좋았다",
        "빨리",
        "good",
        "좋았다",
        "빨리",
    ]
    assert encoded.full_lengths.tolist() == [3 * 4_800_000]


@pytest.mark.parametrize("encoding", ["auto", "utf-8"])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl"])
def test_nul_bytes_are_text(tmp_path: Path, name: str, encoding: str) -> None:
    # A table half of whose bytes are NUL is taken for UTF-16 unless its encoding is given.
    texts = ["a\0b", "\0", "\0" * (1000 if encoding == "utf-8" else 3) + "c", *["an ordinary text"] * 20]
    path = tmp_path / name
    frame = pl.DataFrame({"text": texts, "label": ["a", *["b"] * (len(texts) - 1)]})
    if name.endswith("jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.rows(named=True)), encoding="utf-8")
    else:
        frame.write_csv(path, separator="\t" if name.endswith("tsv") else ",")
    assert read_corpus(DataSettings(source=str(path), encoding=encoding)).texts.to_list() == texts


def test_lone_surrogates_in_json_are_named_with_their_row(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "good", "label": "a"}\n{"text": "x\\ud800", "label": "b"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="row 2, column 'text'"):
        read_corpus(DataSettings(source=str(path)))


def test_keys_with_lone_surrogates_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "a", "label": "b"}\n{"text": "a", "label": "b", "x\\ud801": 1}\n')
    with pytest.raises(DataError, match=r"row 2: the key 'x\\ud801' holds half a character"):
        read_corpus(DataSettings(source=str(path)))


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_lone_surrogates_as_bytes_are_no_utf8(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    good = {"t.csv": b"text,label\nx%s,a\n", "t.jsonl": b'{"text": "x%s", "label": "a"}\n'}[name]
    path.write_bytes(good % b"\xed\xa0\x80")
    with pytest.raises(DataError, match="byte"):
        read_corpus(DataSettings(source=str(path)))


def test_lone_surrogates_can_be_predicted_and_are_replaced(finished_run: Path) -> None:
    predictor = Predictor.load(finished_run / "run")
    given, replaced = (predictor.probabilities([f"good {sign} kind"]) for sign in ("\ud800", "\ufffd"))
    np.testing.assert_array_equal(given, replaced)


@pytest.mark.parametrize("line", ["[" * 100_000, '{"text":' * 100_000, '{"text": ' + "[" * 500 + "]" * 500 + "}"])
def test_deep_json_is_named_with_its_row(tmp_path: Path, line: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "good", "label": "a"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="row 2"):
        read_corpus(DataSettings(source=str(path)))


def test_a_million_classes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.csv"
    numbers = pl.int_range(10**6, eager=True).cast(pl.String)
    pl.DataFrame({"text": "t" + numbers, "label": "c" + numbers}).write_csv(path)
    assert run(monkeypatch, "train", str(path), "--label", "label", "-o", str(tmp_path / "run")) == 1
    said = capfd.readouterr().err
    assert "'c0', 'c1', 'c10'" in said
    assert "(and 999,990 more) have fewer than 2 texts" in said
    assert not (tmp_path / "run").exists()


def test_ten_thousand_classes_are_the_most() -> None:
    names = [f"c{k}" for k in range(10_001)]
    assert len(LabelEncoder.fit(names[:-1]).classes) == 10_000
    with pytest.raises(LabelError, match="10,001 different labels"):
        LabelEncoder.fit(names)


def test_a_word_of_100_megabytes_is_one_token() -> None:
    word = "가" * 34_000_000
    tokenizer = Tokenizer.fit([word, "good"], TextSettings())
    token_ids, offsets = tokenizer.encode([word])
    assert offsets.tolist() == [0, 1]
    assert tokenizer.vocabulary()[int(token_ids[0])] == word
