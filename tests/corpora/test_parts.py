"""A corpus with its splits: drawn, by column, or from separate files."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sulsul.corpora import DataSettings, SplitSettings, read_corpus, read_splits, split_corpus
from sulsul.errors import DataError, SplitError

N = 40
FRAME = pl.DataFrame({"text": [f"text {i}" for i in range(N)], "label": ["x", "y"] * (N // 2), "id": range(N)})


def write(path: Path, frame: pl.DataFrame) -> str:
    frame.write_csv(path)
    return str(path)


def test_a_plain_source_is_split_as_split_corpus_does(tmp_path: Path) -> None:
    data, split = DataSettings(source=write(tmp_path / "t.csv", FRAME)), SplitSettings(test=0.2, validation=0.2)
    corpus, splits = read_splits(data, split)
    expected = split_corpus(read_corpus(data), split)
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(splits, part), getattr(expected, part))
    assert len(corpus) == N


def test_a_split_column(tmp_path: Path) -> None:
    frame = FRAME.with_columns(part=pl.Series(["train"] * 30 + ["validation"] * 5 + ["test"] * 5))
    data = DataSettings(source=write(tmp_path / "t.csv", frame))
    corpus, splits = read_splits(data, SplitSettings(column="part"))
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (30, 5, 5)
    assert corpus.audit.split_column == "part"
    with pytest.raises(DataError, match=r"no column 'fold' \(the split column\); there are the columns 'text'"):
        read_splits(data, SplitSettings(column="fold"))
    with pytest.raises(SplitError, match="was not read with the texts"):
        split_corpus(read_corpus(data), SplitSettings(column="part"))


def test_separate_files_follow_the_main_one(tmp_path: Path) -> None:
    data = DataSettings(source=write(tmp_path / "train.csv", FRAME[:30]))
    split = SplitSettings(
        validation_source=write(tmp_path / "v.csv", FRAME[30:34]), test_source=write(tmp_path / "t.csv", FRAME[34:])
    )
    corpus, splits = read_splits(data, split)
    assert corpus.texts.to_list() == FRAME["text"].to_list()
    assert splits.train.tolist() == list(range(30))
    assert splits.validation.tolist() == [30, 31, 32, 33]
    assert splits.test.tolist() == [34, 35, 36, 37, 38, 39]
    assert corpus.location(31) == f"{tmp_path / 'v.csv'}, row 2"
    assert corpus.ids is not None
    assert corpus.ids[35] == "35"
    assert corpus.audit.n_rows == N
    assert splits.note == f"validation from {tmp_path / 'v.csv'}; test from {tmp_path / 't.csv'}"


def test_the_part_without_a_file_is_drawn_from_the_main_one(tmp_path: Path) -> None:
    data = DataSettings(source=write(tmp_path / "train.csv", FRAME[:30]), limit=20)
    split = SplitSettings(test_source=write(tmp_path / "t.csv", FRAME[30:]), validation=0.2)
    corpus, splits = read_splits(data, split)
    assert len(corpus) == 30
    expected = split_corpus(read_corpus(data), SplitSettings(test=0.0, validation=0.2))
    np.testing.assert_array_equal(splits.train, expected.train)
    np.testing.assert_array_equal(splits.validation, expected.validation)
    assert splits.test.tolist() == list(range(20, 30))


def test_separate_files_need_the_same_columns(tmp_path: Path) -> None:
    data = DataSettings(source=write(tmp_path / "train.csv", FRAME))
    other = write(tmp_path / "v.csv", FRAME.rename({"text": "document"}))
    with pytest.raises(DataError, match=r"v\.csv: there is no column 'text' \(--text\); .* 'document'"):
        read_splits(data, SplitSettings(validation_source=other))
    with pytest.raises(DataError, match="no such test file"):
        read_splits(data, SplitSettings(test_source=str(tmp_path / "none.csv")))


def test_a_kept_class_that_a_separate_file_lacks_is_no_error(tmp_path: Path) -> None:
    data = DataSettings(source=write(tmp_path / "train.csv", FRAME), keep_classes=("x", "y"))
    only_x = write(tmp_path / "v.csv", FRAME.filter(pl.col("label") == "x").head(4))
    corpus, splits = read_splits(data, SplitSettings(validation_source=only_x))
    assert corpus.select(splits.validation).class_counts() == {"x": 4}
