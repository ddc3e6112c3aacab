"""The real tables beside the repository read as their publishers describe them."""

from pathlib import Path

import numpy as np
import pytest

from sulsul.corpora import DataSettings, SplitSettings, iter_texts, read_corpus, read_splits
from sulsul.errors import UsageError

pytestmark = pytest.mark.shared_data


def test_nsmc(shared_data: Path) -> None:
    corpus = read_corpus(DataSettings(source=str(shared_data / "nsmc-train.tsv")))
    assert len(corpus) == corpus.audit.n_rows == 150_000
    assert sum(corpus.class_counts().values()) == 150_000
    assert sorted(corpus.class_counts()) == ["0", "1"]
    assert corpus.audit.text_columns == ("document",)
    assert (corpus.audit.n_empty, corpus.audit.n_missing, corpus.audit.n_not_nfc) == (4, 0, 13)
    assert corpus.audit.files[0].quoting is True
    assert corpus.texts.str.contains('"').sum() > 300


def test_nsmc_streams_as_it_reads(shared_data: Path) -> None:
    settings = DataSettings(source=str(shared_data / "nsmc-train.tsv"), limit=20_000)
    streamed = [text for batch in iter_texts(settings, 4096) for text in batch.texts]
    assert streamed == read_corpus(settings).texts.to_list()


def test_seoul_gives_the_numbers_of_the_notebook(shared_data: Path) -> None:
    data = DataSettings(
        source=str(shared_data / "seoul-120-text.csv"),
        text=("제목", "내용"),
        label="분류",
        keep_classes=("행정", "경제", "복지"),
    )
    corpus, splits = read_splits(data, SplitSettings(test=0.2, validation=0.2, seed=42))
    assert corpus.class_counts() == {"행정": 1098, "경제": 823, "복지": 217}
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (1368, 342, 428)
    assert corpus.audit.n_dropped_by_class == 2645 - 2138
    assert corpus.select(splits.test).class_counts()["행정"] == 220
    assert corpus.texts[0].startswith("아빠 육아휴직 장려금\n   업무개요")


def test_imdb(shared_data: Path) -> None:
    corpus = read_corpus(DataSettings(source=str(shared_data / "imdb-train.parquet")))
    assert corpus.class_counts() == {"neg": 12_500, "pos": 12_500}
    assert corpus.ids is not None
    assert corpus.ids.n_unique() == 25_000
    unlabelled = DataSettings(source=str(shared_data / "imdb-unlabelled.parquet"), limit=5000)
    with pytest.raises(UsageError, match="no column looks like the label"):
        read_corpus(unlabelled)
    assert sum(len(batch) for batch in iter_texts(unlabelled, 1000)) == 5000


def test_the_archive_of_keras(shared_data: Path) -> None:
    corpus, splits = read_splits(
        DataSettings(source=str(shared_data / "keras-imdb-500.npz")), SplitSettings(validation=0.2)
    )
    assert corpus.sequences is not None
    assert len(corpus) == 6000
    assert corpus.sequences.token_ids[:6].tolist() == [1, 14, 22, 16, 43, 2]
    assert int(corpus.sequences.token_ids.max()) == 499
    np.testing.assert_array_equal(corpus.sequences.token_ids[corpus.sequences.offsets[:-1]], 1)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (4000, 1000, 1000)
