"""A folder per class, with or without a folder per part above it."""

import unicodedata
from pathlib import Path

import pytest

from sulsul.corpora import DataSettings, SplitSettings, iter_texts, read_corpus, read_splits
from sulsul.errors import DataError, EncodingError, UsageError


def write(root: Path, files: dict[str, str | bytes]) -> DataSettings:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return DataSettings(source=str(root))


def test_the_layout_of_aclimdb(tmp_path: Path) -> None:
    settings = write(
        tmp_path,
        {
            "train/pos/0_9.txt": "good",
            "train/neg/0_2.txt": "bad",
            "train/unsup/0_0.txt": "unknown",
            "test/pos/0_10.txt": "fine",
            "test/neg/1_1.txt": "awful",
            "imdb.vocab": "the",
            "README": "read me",
            "train/labeledBow.feat": "9 0:9",
        },
    )
    corpus = read_corpus(settings)
    assert corpus.ids is not None
    assert corpus.ids.to_list() == ["test/neg/1_1", "test/pos/0_10", "train/neg/0_2", "train/pos/0_9"]
    assert corpus.texts.to_list() == ["awful", "fine", "bad", "good"]
    assert corpus.labels is not None
    assert corpus.labels.to_list() == ["neg", "pos", "neg", "pos"]
    assert corpus.split_values is not None
    assert corpus.split_values.to_list() == ["test", "test", "train", "train"]
    assert corpus.audit.files[0].note == "1 texts without a label in unsup were left out"
    _, splits = read_splits(settings, SplitSettings(validation=0.0))
    assert splits.test.tolist() == [0, 1]
    assert splits.train.tolist() == [2, 3]


def test_a_folder_per_class(tmp_path: Path) -> None:
    label = unicodedata.normalize("NFD", "행정")
    settings = write(tmp_path, {f"{label}/a.txt": "", "복지/b.txt": "둘", ".hidden/c.txt": "c", "복지/.d.txt": "d"})
    corpus = read_corpus(settings)
    assert sorted(corpus.class_counts()) == ["복지", "행정"]
    assert corpus.split_values is None
    assert corpus.audit.n_empty == 1
    batches = list(iter_texts(settings, 1))
    assert sorted(text for batch in batches for text in batch.texts) == ["", "둘"]


def test_texts_without_classes_can_be_read_for_prediction(tmp_path: Path) -> None:
    settings = write(tmp_path, {"a.txt": "one", "b.txt": "two"})
    (batch,) = iter_texts(settings, 10)
    assert batch.texts.to_list() == ["one", "two"]
    with pytest.raises(UsageError, match="no column looks like the label"):
        read_corpus(settings)


def test_encodings_differ_from_file_to_file(tmp_path: Path) -> None:
    files = {"a/1.txt": "한글".encode(), "a/2.txt": "서울시 행정".encode("cp949"), "b/3.txt": "둘".encode("utf-16")}
    corpus = read_corpus(write(tmp_path, files))
    assert corpus.texts.to_list() == ["한글", "서울시 행정", "둘"]
    assert corpus.audit.encoding == "mixed"


def test_an_undecodable_file_is_named_with_its_offset(tmp_path: Path) -> None:
    settings = write(tmp_path, {"a/1.txt": "fine", "b/2.txt": b"na\xefve"})
    with pytest.raises(EncodingError, match=r"b/2\.txt: byte 0xEF at offset 2"):
        read_corpus(settings)
    with pytest.raises(EncodingError, match=r"b/2\.txt: byte 0xEF at offset 2 is not utf-8"):
        read_corpus(settings.model_copy(update={"encoding": "utf-8"}))
    assert read_corpus(settings.model_copy(update={"encoding": "latin-1"})).texts.to_list() == ["fine", "naïve"]


def test_a_folder_without_texts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no \.txt files in folders named after classes"):
        read_corpus(DataSettings(source=str(tmp_path)))


def test_a_folder_where_a_file_was_meant_and_the_reverse(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder, not a csv file"):
        read_corpus(DataSettings(source=str(tmp_path), format="csv"))
    path = tmp_path / "t.csv"
    path.write_text("text,label\na,x\n")
    with pytest.raises(DataError, match="is a file; the folder format needs a folder"):
        read_corpus(DataSettings(source=str(path), format="folder"))


def test_limit(tmp_path: Path) -> None:
    settings = write(tmp_path, {f"{label}/{i}.txt": "t" for label in "ab" for i in range(3)})
    assert len(read_corpus(settings.model_copy(update={"limit": 4}))) == 4
