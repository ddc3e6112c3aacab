"""The bundled corpus: reproducible, balanced, and out of reach for a bag of words."""

import importlib.util
import unicodedata
from collections import Counter
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sulsul.sample import sample_path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "make_sample_corpus.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    specification = importlib.util.spec_from_file_location("make_sample_corpus", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def corpus() -> pl.DataFrame:
    return pl.read_csv(sample_path())


def test_script_writes_the_same_bytes(script: ModuleType) -> None:
    assert script.make_csv() == sample_path().read_bytes()


def test_another_seed_writes_another_corpus(script: ModuleType) -> None:
    assert script.make_csv(seed=1) != sample_path().read_bytes()


def test_size_and_columns(corpus: pl.DataFrame) -> None:
    assert corpus.columns == ["id", "text", "label", "language", "split"]
    assert corpus.height == 3000
    assert corpus["id"].to_list() == list(range(1, 3001))
    assert sample_path().stat().st_size <= 400_000


def test_every_split_and_language_is_balanced(corpus: pl.DataFrame) -> None:
    counts = corpus.group_by("split", "language").agg(pl.len(), positive=(pl.col("label") == "positive").sum())
    assert counts.height == 6
    assert (counts["positive"] * 2 == counts["len"]).all()


def test_no_text_occurs_twice_and_all_are_nfc(corpus: pl.DataFrame) -> None:
    texts = corpus["text"].to_list()
    assert len(set(texts)) == len(texts)
    assert all(unicodedata.is_normalized("NFC", text) for text in texts)


def test_most_words_are_as_frequent_in_both_classes(corpus: pl.DataFrame) -> None:
    counts = {
        label: Counter(" ".join(corpus.filter(pl.col("label") == label)["text"]).lower().replace(",", "").split())
        for label in ("positive", "negative")
    }
    words = [word for word in counts["positive"] | counts["negative"] if counts["positive"][word] >= 20]
    skew = [abs(counts["positive"][w] - counts["negative"][w]) / counts["positive"][w] for w in words]
    assert len(words) > 150
    assert sorted(skew)[int(0.9 * len(skew))] < 0.15


def test_half_of_the_test_split_speaks_of_unseen_things(corpus: pl.DataFrame) -> None:
    known = set(" ".join(corpus.filter(pl.col("split") == "train")["text"]).lower().split())
    texts = corpus.filter(pl.col("split") == "test")["text"].to_list()
    share = sum(any(word not in known for word in text.lower().split()) for text in texts) / len(texts)
    assert 0.35 < share < 0.75


@pytest.mark.parametrize(
    "vectorizer",
    [
        TfidfVectorizer(token_pattern=r"\S+"),
        TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2)),
        TfidfVectorizer(analyzer="char", ngram_range=(1, 4)),
    ],
    ids=["words", "word pairs", "characters"],
)
def test_a_bag_of_words_stays_behind(corpus: pl.DataFrame, vectorizer: TfidfVectorizer) -> None:
    train, rest = corpus.filter(pl.col("split") == "train"), corpus.filter(pl.col("split") != "train")
    linear = make_pipeline(vectorizer, LogisticRegression(C=10, max_iter=2000)).fit(train["text"], train["label"])
    assert linear.score(rest["text"], rest["label"]) < 0.7
