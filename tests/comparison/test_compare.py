import csv
import json
from pathlib import Path

import pytest
from tests.trained import tiny_specification, write_corpus

from sulsul.comparison import (
    ComparisonInterrupted,
    Contender,
    Listener,
    Trial,
    build_contenders,
    run_comparison,
)
from sulsul.errors import BundleError, OutputError, SplitError
from sulsul.report.record import RunRecord
from sulsul.specification import RunSpecification

EXPECTED = [
    "gru",
    "simple-rnn",
    "Majority class",
    "TF-IDF words 1–2, linear",
    "TF-IDF characters 1–4, linear",
]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "corpus.csv", copies=12)


@pytest.fixture(scope="module")
def contenders(source: Path) -> tuple[Contender, ...]:
    return build_contenders([tiny_specification(source)], ["gru", "simple-rnn"])


@pytest.fixture(scope="module")
def finished(contenders: tuple[Contender, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunRecord]:
    folder = tmp_path_factory.mktemp("comparison") / "run"
    return folder, run_comparison(contenders, folder, command="sulsul compare corpus.csv", seeds=2)


def scores(record: RunRecord) -> dict[str, tuple[float, float, float | None]]:
    assert record.comparison is not None
    return {row.name: (row.accuracy, row.macro_f1, row.p_value) for row in record.comparison.rows}


def test_everyone_is_judged_on_the_same_texts(finished: tuple[Path, RunRecord]) -> None:
    _, record = finished
    comparison = record.comparison
    assert comparison is not None
    best = next(row for row in comparison.rows if row.best)
    controls = {f"{best.name} without recurrence", f"{best.name} on shuffled words"}
    assert {row.name for row in comparison.rows} == controls | set(EXPECTED)
    assert comparison.n == 24 == record.data.split_sizes["test"]
    assert comparison.design == "2 seeds on one test split"
    assert comparison.test == "t-test over texts and seeds, corrected after Holm"
    assert comparison.selection == "by its mean accuracy on the validation texts"
    assert comparison.word_order is not None
    for row in comparison.rows:
        assert (row.p_value is None) == row.best
        assert row.accuracy_interval[0] <= row.accuracy <= row.accuracy_interval[1]
        assert (row.n_parameters is None) == (row.kind == "baseline")
        assert (row.accuracy_spread is None) == (row.kind == "baseline")


def test_files(finished: tuple[Path, RunRecord]) -> None:
    folder, record = finished
    assert {path.name for path in folder.iterdir()} == {"comparison.csv", "comparison.json", "report.html", "trials"}
    assert RunRecord.model_validate_json((folder / "comparison.json").read_text(encoding="utf-8")) == record
    with (folder / "comparison.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert record.comparison is not None
    assert [row["name"] for row in rows] == [row.name for row in record.comparison.rows]
    assert [float(row["accuracy"]) for row in rows] == [row.accuracy for row in record.comparison.rows]
    assert len(list((folder / "trials").iterdir())) == 4 * 2 + 3


def test_mistakes_in_the_data_are_told_before_training_and_kept(
    contenders: tuple[Contender, ...], finished: tuple[Path, RunRecord], tmp_path: Path
) -> None:
    told: list[str] = []

    def stop() -> bool:
        return bool(told)

    listener = Listener(on_findings=lambda found: told.extend(f.check for f in found), stop_requested=stop)
    with pytest.raises(ComparisonInterrupted):
        run_comparison(contenders, tmp_path / "run", command="", seeds=1, listener=listener)
    folder, record = finished
    assert "out-of-vocabulary" in told
    assert [finding.check for finding in record.findings] == told
    assert "docs/mistakes.md#out-of-vocabulary" in (folder / "report.html").read_text(encoding="utf-8")


def test_an_interrupted_comparison_ends_as_if_it_had_not_been(
    finished: tuple[Path, RunRecord], contenders: tuple[Contender, ...], tmp_path: Path
) -> None:
    done: list[str] = []
    started: list[str] = []
    batches: list[object] = []

    def stop() -> bool:
        # In the middle of the fifth training, after its first epoch.
        return len(done) == 7 and len(batches) >= 2

    listener = Listener(
        on_trial=lambda name, trial: (done.append(name), batches.clear()),
        on_batch=batches.append,
        stop_requested=stop,
    )
    with pytest.raises(ComparisonInterrupted):
        run_comparison(contenders, tmp_path / "run", command="c", seeds=2, listener=listener)
    assert len(list((tmp_path / "run" / "trials").glob("*.unfinished"))) == 1
    again = Listener(on_start=lambda name, n_left: started.append(name))
    resumed = run_comparison(contenders, tmp_path / "run", command="c", seeds=2, resume=True, listener=again)
    assert len(started) == 11 - 7
    assert not set(started) & set(done)
    assert scores(resumed) == scores(finished[1])
    assert not list((tmp_path / "run" / "trials").glob("*.unfinished"))


def test_more_seeds_reuse_the_trials_there_are(
    finished: tuple[Path, RunRecord], contenders: tuple[Contender, ...]
) -> None:
    folder, record = finished
    started: list[str] = []
    listener = Listener(on_start=lambda name, n_left: started.append(name))
    again = run_comparison(contenders, folder, command="c", seeds=2, resume=True, listener=listener)
    assert started == []
    assert scores(again) == scores(record)


def test_other_settings_or_texts_are_other_trials(
    finished: tuple[Path, RunRecord], contenders: tuple[Contender, ...], source: Path, tmp_path: Path
) -> None:
    def restarted(specification: RunSpecification, folder: Path) -> set[str]:
        started: list[str] = []
        run_comparison(
            build_contenders([specification], ["gru"]),
            folder,
            command="c",
            seeds=1,
            controls="none",
            resume=folder.exists(),
            listener=Listener(on_start=lambda name, n_left: started.append(name)),
        )
        return set(started)

    folder = tmp_path / "run"
    assert len(restarted(tiny_specification(source), folder)) == 4
    assert restarted(tiny_specification(source, training={"threads": 2}), folder) == set()
    assert restarted(tiny_specification(source, training={"learning_rate": 0.02}), folder) == {"gru, seed 0"}
    longer = write_corpus(tmp_path / "longer.csv", copies=13)
    assert len(restarted(tiny_specification(longer), folder)) == 4


def test_folds_judge_every_text_once(source: Path, tmp_path: Path) -> None:
    contenders = build_contenders([tiny_specification(source)], ["gru", "simple-rnn"])
    record = run_comparison(contenders, tmp_path / "run", command="c", seeds=1, folds=3)
    comparison = record.comparison
    assert comparison is not None
    assert comparison.n == 96
    assert comparison.design == "3 folds, 1 seed"
    assert comparison.test == "t-test over texts and 3 folds, corrected after Holm"
    assert all(row.accuracy_spread is not None and row.accuracy_spread.n == 3 for row in comparison.rows)
    majority = next(row for row in comparison.rows if row.name == "Majority class")
    assert majority.accuracy == pytest.approx(0.5, abs=0.04)
    trial = Trial.model_validate_json(next((tmp_path / "run" / "trials").glob("gru*")).read_bytes())
    assert len(trial.predictions) == 32


def test_one_seed_is_tested_by_mcnemar_and_each_network_may_have_controls(source: Path, tmp_path: Path) -> None:
    contenders = build_contenders([tiny_specification(source)], ["gru", "simple-rnn"])
    record = run_comparison(contenders, tmp_path / "run", command="c", seeds=1, controls="each")
    assert record.comparison is not None
    assert record.comparison.test.startswith("McNemar")
    assert sum(row.kind == "control" for row in record.comparison.rows) == 4


def test_without_a_test_split_the_validation_texts_judge_and_it_is_said(source: Path, tmp_path: Path) -> None:
    contenders = build_contenders([tiny_specification(source, split={"test": 0.0})], ["gru"])
    record = run_comparison(contenders, tmp_path / "run", command="c", seeds=1)
    assert record.comparison is not None
    assert record.comparison.design == "1 seed on one validation split"
    assert "flatters" in record.comparison.selection
    nothing = build_contenders([tiny_specification(source, split={"test": 0.0, "validation": 0.0})], ["gru"])
    with pytest.raises(SplitError, match="needs a test or a validation split"):
        run_comparison(nothing, tmp_path / "other", command="c")
    assert not (tmp_path / "other").exists()


def test_label_sets(tmp_path: Path) -> None:
    path = tmp_path / "tags.csv"
    rows = [
        f"{a} {b} {k},{a};{b}" for k in range(12) for a, b in (("red", "blue"), ("red", "green"), ("blue", "green"))
    ]
    path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    specification = tiny_specification(path, data={"id": None, "label_separator": ";"})
    record = run_comparison(build_contenders([specification], ["gru"]), tmp_path / "run", command="c", seeds=1, folds=2)
    assert record.comparison is not None
    assert record.comparison.n == 36


def test_folders_that_are_taken_or_missing_are_refused(
    finished: tuple[Path, RunRecord], contenders: tuple[Contender, ...], tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="exists already"):
        run_comparison(contenders, finished[0], command="c")
    with pytest.raises(OutputError, match="holds no comparison"):
        run_comparison(contenders, tmp_path / "nowhere", command="c", resume=True)


def test_a_damaged_trial_is_named(contenders: tuple[Contender, ...], tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_comparison(contenders[:1], run, command="c", seeds=1, controls="none")
    path = next((run / "trials").glob("gru*"))
    path.write_text(json.dumps({"schema_version": 2}), encoding="utf-8")
    with pytest.raises(BundleError, match="delete it to run it anew"):
        run_comparison(contenders[:1], run, command="c", seeds=1, controls="none", resume=True)
