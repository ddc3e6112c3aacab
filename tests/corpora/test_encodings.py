"""Encodings are recognised from samples, and an undecodable byte is named by offset and row."""

import codecs
from pathlib import Path

import pytest

from sulsul.corpora import DataSettings, iter_texts, read_corpus
from sulsul.corpora.encodings import decode_lines, named_encoding, recognise_encoding
from sulsul.errors import EncodingError, UsageError

KOREAN = "text,label\n술술 읽히는 글은 막힘이 없다,좋음\n도무지 무슨 말인지 모르겠다,나쁨\n" * 3
KOREAN = "text,label\n" + KOREAN.replace("text,label\n", "")
ENGLISH = "text,label\na plain text,good\nanother one,bad\n"
TEXTS = ["술술 읽히는 글은 막힘이 없다", "도무지 무슨 말인지 모르겠다"] * 3


@pytest.mark.parametrize("content", [KOREAN, ENGLISH])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp949"])
def test_encodings_are_recognised(tmp_path: Path, content: str, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode(encoding))
    corpus = read_corpus(DataSettings(source=str(path)))
    assert corpus.texts.to_list() == (TEXTS if content is KOREAN else ["a plain text", "another one"])
    assert corpus.audit.columns == ("text", "label")
    batches = list(iter_texts(DataSettings(source=str(path)), 4))
    assert [text for batch in batches for text in batch.texts] == corpus.texts.to_list()


def test_big_endian_utf16_with_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(codecs.BOM_UTF16_BE + KOREAN.encode("utf-16-be"))
    assert read_corpus(DataSettings(source=str(path))).texts.to_list() == TEXTS


def test_jsonl_in_cp949(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes('{"text": "한글", "label": 1}\n{"text": "둘", "label": 0}\n'.encode("cp949"))
    corpus = read_corpus(DataSettings(source=str(path)))
    assert corpus.texts.to_list() == ["한글", "둘"]
    assert corpus.audit.encoding == "cp949"


def test_a_given_encoding_is_used(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("text,label\ncafé,x\nit’s,y\n".encode("windows-1252"))
    corpus = read_corpus(DataSettings(source=str(path), encoding="windows-1252"))
    assert corpus.texts.to_list() == ["café", "it’s"]


def test_western_text_is_not_taken_for_korean(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("text,label\nit’s what we’d say,x\nthey’ve gone,y\n".encode("windows-1252"))
    with pytest.raises(EncodingError, match=r"t\.csv: byte 0x92 at offset 13 is not utf-8.*--encoding.* row 1"):
        read_corpus(DataSettings(source=str(path)))


def test_an_undecodable_byte_deep_in_the_file_is_named_by_offset_and_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    head = "text,label\n" + "".join(f'"한글 {i}\n둘째 줄",{i % 2}\n' for i in range(60_000))
    content = head.encode() + b"bad \xff byte,1\n" + head.encode()[11:]
    path.write_bytes(content)
    message = rf"t\.csv: byte 0xFF at offset {len(head.encode()) + 4} is not utf-8.*It is in row 60001\."
    with pytest.raises(EncodingError, match=message):
        read_corpus(DataSettings(source=str(path)))
    with pytest.raises(EncodingError, match=r"row 60001"):
        next(iter_texts(DataSettings(source=str(path)), 10))
    with pytest.raises(EncodingError, match=r"It is in row 60001\."):
        read_corpus(DataSettings(source=str(path), encoding="utf-8"))


def test_korean_deep_in_an_otherwise_ascii_file_is_still_recognised(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    plain = "".join(f"a plain text number {i},{i % 2}\n" for i in range(40_000))
    path.write_bytes(("text,label\n" + plain + "그 사이의 한글,1\n" + plain).encode("cp949"))
    corpus = read_corpus(DataSettings(source=str(path)))
    assert corpus.texts[40_000] == "그 사이의 한글"
    assert corpus.audit.encoding == "cp949"


def test_korean_deep_in_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    plain = "".join(f'{{"text": "a plain text number {i}", "label": {i % 2}}}\n' for i in range(20_000))
    path.write_bytes((plain + '{"text": "그 사이의 한글", "label": 1}\n' + plain).encode("cp949"))
    corpus = read_corpus(DataSettings(source=str(path)))
    assert corpus.texts[20_000] == "그 사이의 한글"
    assert len(corpus) == 40_001
    path.write_bytes(plain.encode() + b'{"text": "\xff", "label": 1}\n' + plain.encode())
    with pytest.raises(EncodingError, match=rf"offset {len(plain) + 10} .*It is in row 20001\."):
        read_corpus(DataSettings(source=str(path)))


@pytest.mark.parametrize("garbage", [b"\xff\xfe", b"\x80\x01", b"\x00\x01", b"\xef\xbb", b"\xd8\x00"])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet", "t.npz", "t.txt", "t"])
def test_two_bytes_of_garbage(tmp_path: Path, garbage: bytes, name: str) -> None:
    from sulsul.errors import SulsulError

    path = tmp_path / name
    path.write_bytes(garbage)
    with pytest.raises(SulsulError, match="t"):
        read_corpus(DataSettings(source=str(path)))
    with pytest.raises(SulsulError):
        list(iter_texts(DataSettings(source=str(path)), 10))


def test_an_incomplete_last_character(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    content = KOREAN.encode()[:-3]
    path.write_bytes(content)
    with pytest.raises(EncodingError, match=rf"at offset {content.rfind(b',') + 4}"):
        read_corpus(DataSettings(source=str(path)))


def test_an_unknown_encoding_is_a_usage_error(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(ENGLISH)
    with pytest.raises(UsageError, match="encoding 'klingon' is unknown"):
        read_corpus(DataSettings(source=str(path), encoding="klingon"))
    with pytest.raises(UsageError, match="encoding 'base64' is unknown"):
        read_corpus(DataSettings(source=str(path), encoding="base64"))


@pytest.mark.parametrize(("name", "codec"), [("EUC-KR", "cp949"), ("utf8", "utf-8-sig"), ("CP949", "cp949")])
def test_names_of_encodings(name: str, codec: str) -> None:
    assert named_encoding(name) == codec


def test_a_multi_byte_character_across_blocks_and_samples(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    for encoding in ("utf-8", "cp949"):
        for shift in range(3):
            text = "x" * shift + "가" * 800_000
            path.write_bytes(text.encode(encoding))
            assert recognise_encoding(path) == ("utf-8-sig" if encoding == "utf-8" else "cp949")
            assert "".join(decode_lines(path, encoding)) == text
