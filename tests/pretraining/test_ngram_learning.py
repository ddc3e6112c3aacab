from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sulsul.errors import DataError, TrainingError
from sulsul.evaluation.ngrams import count_ngrams
from sulsul.kernels import native
from sulsul.pretraining.ngram_learning import NgramLearning, NgramReport
from sulsul.pretraining_settings import PretrainingSettings

SEA, LAND = ["golf", "strand", "schip", "vis"], ["berg", "bos", "paard", "akker"]


def texts(n: int = 700) -> pl.Series:
    """Texts of either of two subjects, words of both in every one."""
    rng = np.random.default_rng(0)
    return pl.Series(
        [" ".join([*rng.choice(SEA if i % 2 else LAND, 6), *rng.choice(["de", "een", "het"], 3)]) for i in range(n)]
    )


def learning(of: pl.Series | None = None, seed: int = 0, **settings: int) -> NgramLearning:
    chosen = PretrainingSettings.model_validate({"ngram_vectors": 16, "ngram_epochs": 8, **settings})
    return NgramLearning(texts() if of is None else of, chosen, seed=seed, identity={"texts": "the same"})


def run(
    made: NgramLearning, path: Path, stop_after: int | None = None, seconds: float | None = None
) -> list[NgramReport]:
    reports: list[NgramReport] = []
    finished = made.run(path, reports.append, lambda: len(reports) == stop_after, seconds=seconds)
    assert finished == (stop_after is None)
    return reports


def test_words_of_one_subject_come_near_each_other(tmp_path: Path) -> None:
    made = learning()
    reports = run(made, tmp_path / "state")
    assert [report.epoch for report in reports[::2]] == list(range(1, 9))
    assert reports[-1].share == 1.0
    assert reports[-1].loss < 0.8 * reports[0].loss
    found = made.found()
    rows = {int(bucket): row for row, bucket in enumerate(found.ngrams.buckets)}
    by_word = {w: found.vectors[rows[int(count_ngrams([w], "word", 1).indices[0])]] for w in SEA + LAND}
    np.testing.assert_allclose([np.linalg.norm(v.astype(float)) for v in by_word.values()], 1.0, atol=2e-3)
    sea, land = (np.stack([by_word[word] for word in words]).astype(float) for words in (SEA, LAND))
    assert (sea @ sea.T).mean() > (sea @ land.T).mean() + 0.3
    assert found.ngrams.shares.max() <= 1.0


def test_an_interrupted_learning_ends_with_the_same_vectors(tmp_path: Path) -> None:
    whole = learning()
    run(whole, tmp_path / "whole")
    run(learning(), tmp_path / "state", stop_after=5)
    again = learning()
    again.restore(tmp_path / "state")
    assert again.progress.step == 5
    run(again, tmp_path / "state")
    np.testing.assert_array_equal(again.found().vectors, whole.found().vectors)
    finished = learning()
    finished.restore(tmp_path / "state")
    assert run(finished, tmp_path / "state") == []


def test_the_vectors_depend_on_the_seed_alone(tmp_path: Path) -> None:
    found = []
    for seed, threads in ((0, 1), (0, 2), (1, 1)):
        native.set_thread_count(threads)
        made = learning(seed=seed)
        run(made, tmp_path / "state")
        found.append(made.found().vectors)
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_a_time_limit_ends_it(tmp_path: Path) -> None:
    made = learning(ngram_epochs=10_000)
    reports = run(made, tmp_path / "state", seconds=0.2)
    assert reports[-1].share >= 1.0
    assert 1 <= made.progress.step < made.n_steps


def test_another_learning_is_not_continued(tmp_path: Path) -> None:
    run(learning(), tmp_path / "state")
    other = NgramLearning(texts(), PretrainingSettings(ngram_vectors=16), seed=0, identity={"texts": "others"})
    with pytest.raises(TrainingError, match="texts are not those"):
        other.restore(tmp_path / "state")


def test_only_the_most_frequent_ngrams_are_learned(tmp_path: Path) -> None:
    made = learning(ngram_rows=3)
    run(made, tmp_path / "state")
    frequent = {int(count_ngrams([word], "word", 1).indices[0]) for word in ("de", "een", "het")}
    assert set(made.found().ngrams.buckets.tolist()) == frequent


def test_korean_is_read_by_its_letters() -> None:
    assert learning(pl.Series(["버스 노선 문의", "버스 시간 문의"] * 3)).unit == "jamo"


def test_texts_that_share_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="ngram_vectors=0"):
        learning(pl.Series(["een twee", "drie vier"]))
