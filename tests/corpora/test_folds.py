from pathlib import Path

import numpy as np
import pytest

from sulsul.corpora import Corpus, DataSettings, SplitSettings, read_corpus
from sulsul.corpora.folds import fold_splits
from sulsul.errors import SplitError


def corpus_of(tmp_path: Path, labels: str) -> Corpus:
    path = tmp_path / "corpus.csv"
    path.write_text("text,label\n" + "".join(f"t{k},{label}\n" for k, label in enumerate(labels)), encoding="utf-8")
    return read_corpus(DataSettings(source=str(path)))


def test_every_row_is_judged_once_and_never_seen_before(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "a" * 40 + "b" * 20)
    splits = fold_splits(corpus, SplitSettings(validation=0.25), 5)
    assert sorted(np.concatenate([s.test for s in splits]).tolist()) == list(range(60))
    for s in splits:
        assert sorted(np.concatenate([s.train, s.validation, s.test]).tolist()) == list(range(60))
        assert (len(s.train), len(s.validation), len(s.test)) == (36, 12, 12)
        assert sum(row >= 40 for row in s.test.tolist()) == 4
        assert sum(row >= 40 for row in s.validation.tolist()) == 4


def test_without_validation_all_others_are_trained_on(tmp_path: Path) -> None:
    splits = fold_splits(corpus_of(tmp_path, "ab" * 10), SplitSettings(validation=0.0), 4)
    assert all((len(s.train), len(s.validation), len(s.test)) == (15, 0, 5) for s in splits)


def test_a_class_with_fewer_texts_than_folds_is_named(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "a" * 20 + "bbb")
    with pytest.raises(SplitError, match="class 'b' has fewer texts than the 5 folds"):
        fold_splits(corpus, SplitSettings(), 5)
    assert len(fold_splits(corpus, SplitSettings(stratify=False), 5)) == 5


def test_more_folds_than_rows_and_named_parts_are_refused(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "abab")
    with pytest.raises(SplitError, match="9 folds of 4 rows"):
        fold_splits(corpus, SplitSettings(), 9)
    with pytest.raises(SplitError, match="named by the data"):
        fold_splits(corpus, SplitSettings(test_source="x.csv"), 2)
