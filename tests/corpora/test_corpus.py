"""The corpus: fingerprint, selection, counts and locations."""

import hashlib
import struct

import numpy as np
import polars as pl

from sulsul.corpora import Corpus, CorpusAudit, Sequences, SourceFile


def corpus_of(texts: list[str], labels: list[str | None] | list[list[str]] | None = None) -> Corpus:
    n = len(texts)
    return Corpus(
        texts=pl.Series("text", texts, dtype=pl.String),
        labels=None if labels is None else pl.Series("label", labels),
        ids=pl.Series("id", [f"id{i}" for i in range(n)]),
        rows=np.arange(1, n + 1, dtype=np.int64),
        source="memory",
        audit=CorpusAudit(n_rows=n, n_texts=n, files=(SourceFile(name="a", n_rows=2), SourceFile(name="b", n_rows=9))),
    )


def test_equal_content_has_an_equal_fingerprint() -> None:
    base = corpus_of(["a", "b"], ["x", "y"])
    assert base.fingerprint == corpus_of(["a", "b"], ["x", "y"]).fingerprint
    different = [
        corpus_of(["b", "a"], ["x", "y"]),
        corpus_of(["a", "b"], ["y", "x"]),
        corpus_of(["a", "b"]),
        corpus_of(["ab", ""], ["x", "y"]),
        corpus_of(["", "ab"], ["x", "y"]),
        corpus_of(["a", "b"], [["x"], ["y"]]),
        corpus_of(["a", "b"], ["x", None]),
    ]
    prints = {corpus.fingerprint for corpus in different}
    assert base.fingerprint not in prints
    assert len(prints) == len(different)
    assert len(base.fingerprint) == 64


def test_the_fingerprint_is_what_it_always_was() -> None:
    # Bundles store it: a change here breaks the comparison with every model that was trained before.
    written = b"texts 2 0;" + struct.pack("<qq", 6, 0) + "술술".encode()
    written += b"labels 2 0;" + struct.pack("<qq", 1, 1) + b"ab"
    assert corpus_of(["술술", ""], ["a", "b"]).fingerprint == hashlib.sha256(written).hexdigest()


def test_selection_keeps_every_field_aligned() -> None:
    corpus = corpus_of(["a", "b", "c"], ["x", "y", "z"])
    sequences = Sequences(np.array([1, 2, 3, 4, 5, 6], dtype=np.int32), np.array([0, 1, 3, 6]))
    corpus = Corpus(corpus.texts, corpus.labels, corpus.ids, corpus.rows, "memory", corpus.audit, sequences=sequences)
    chosen = corpus.select(np.array([2, 0]))
    assert chosen.texts.to_list() == ["c", "a"]
    assert chosen.labels is not None
    assert chosen.labels.to_list() == ["z", "x"]
    assert chosen.ids is not None
    assert chosen.ids.to_list() == ["id2", "id0"]
    assert chosen.rows.tolist() == [3, 1]
    assert chosen.sequences is not None
    assert chosen.sequences.token_ids.tolist() == [4, 5, 6, 1]
    assert chosen.sequences.offsets.tolist() == [0, 3, 4]
    assert chosen.location(0) == "b, row 1"


def test_classes_are_counted_most_frequent_first() -> None:
    assert list(corpus_of(list("abcd"), ["y", "x", "y", "a"]).class_counts().items()) == [("y", 2), ("a", 1), ("x", 1)]
    assert corpus_of(list("abc"), [["x", "y"], [], ["x"]]).class_counts() == {"x": 2, "y": 1}
    assert corpus_of(["a"]).class_counts() == {}
