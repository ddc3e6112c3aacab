"""Whole trainings by several workers, and what these tell each other."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.tolerances import PARALLEL_TRAJECTORY
from tests.training.conftest import order_corpus
from tests.workers import run_workers

from sulsul.batching import EncodedCorpus
from sulsul.errors import TrainingError
from sulsul.model import Classifier
from sulsul.training import TrainingResult, TrainingSettings, load_checkpoint, train_classifier, train_members
from sulsul.training.checkpoint import CHECKPOINT_NAME
from sulsul.training.members import MembersListener, member_file
from sulsul.training.validation import validation_scores
from sulsul.training.workers import Workers

CLASSES = ("second", "first")
MakeClassifier = Callable[..., Classifier]


def settings(**values: object) -> TrainingSettings:
    return TrainingSettings.model_validate(
        {"epochs": 3, "batch_size": 20, "threads": 1, "learning_rate": 0.01} | values
    )


def scores(result: TrainingResult) -> list[tuple[object, ...]]:
    return [
        (record.epoch, record.accuracy, record.val_accuracy, record.val_macro_f1, record.learning_rate)
        for record in result.history
    ]


def losses(result: TrainingResult) -> list[float]:
    return [value for record in result.history for value in (record.loss, record.val_loss or 0.0)]


def assert_same(one: TrainingResult, other: TrainingResult) -> None:
    assert scores(one) == scores(other)
    assert losses(one) == pytest.approx(losses(other), rel=PARALLEL_TRAJECTORY)
    assert (one.best_epoch, one.kept_epoch, one.stopped) == (other.best_epoch, other.kept_epoch, other.stopped)


@pytest.fixture
def make() -> MakeClassifier:
    from tests.training.conftest import VOCABULARY_SIZE, tiny_specification

    return lambda *, dropout=0.0, backend="auto", seed=0: Classifier(
        tiny_specification(dropout=dropout), vocabulary_size=VOCABULARY_SIZE, n_classes=2, seed=seed, backend=backend
    )


@pytest.mark.parametrize("n_workers", [2, 3])
def test_workers_train_as_one_process(
    n_workers: int, make: MakeClassifier, train: EncodedCorpus, validation: EncodedCorpus
) -> None:
    own = settings(schedule="plateau", clip_norm=1.0)
    alone = train_classifier(make(dropout=0.3), train, validation, own, classes=CLASSES)

    def work(workers: Workers) -> tuple[Classifier, TrainingResult]:
        classifier = make(dropout=0.3)
        result = train_classifier(classifier, train, validation, own, classes=CLASSES, workers=workers)
        return classifier, result

    finished = run_workers(n_workers, work)
    assert_same(finished[0][1], alone)
    for classifier, result in finished[1:]:
        assert [r.model_copy(update={"seconds": 0.0}) for r in result.history] == [
            r.model_copy(update={"seconds": 0.0}) for r in finished[0][1].history
        ]
        for name, tensor in classifier.state_dict().items():
            assert torch.equal(tensor, finished[0][0].state_dict()[name])


def test_a_run_stopped_with_two_workers_goes_on_with_three_or_alone(
    make: MakeClassifier, train: EncodedCorpus, validation: EncodedCorpus, tmp_path: Path
) -> None:
    own, path = settings(), tmp_path / CHECKPOINT_NAME
    whole = train_classifier(make(dropout=0.3), train, validation, own, classes=CLASSES)

    def stopped(workers: Workers) -> TrainingResult:
        asked = 0

        def stop() -> bool:  # the second worker alone is told to, in the middle of the second epoch
            nonlocal asked
            asked += 1
            return workers.number == 1 and asked > 11

        return train_classifier(
            make(dropout=0.3),
            train,
            validation,
            own,
            classes=CLASSES,
            workers=workers,
            stop_requested=stop,
            checkpoint_path=path if workers.is_first else tmp_path / f"never-{workers.number}",
        )

    interrupted = run_workers(2, stopped)
    assert [result.stopped for result in interrupted] == ["interrupted"] * 2
    assert [p.name for p in tmp_path.iterdir()] == [CHECKPOINT_NAME]
    state = load_checkpoint(path)
    assert state.header.position.step == 12

    def resumed(workers: Workers | None) -> TrainingResult:
        classifier = make(dropout=0.3)
        return train_classifier(classifier, train, validation, own, classes=CLASSES, workers=workers, resume_from=state)

    assert_same(resumed(None), whole)
    assert_same(run_workers(3, resumed)[0], whole)


def test_members_are_resumed_from_the_first_workers_files(
    make: MakeClassifier, train: EncodedCorpus, tmp_path: Path
) -> None:
    def build(member: int) -> Classifier:
        return make(seed=member)

    def members(folder: Path, workers: Workers | None, *, resume: bool, stop_after: float) -> list[float]:
        n_epochs = 0

        def count(record: object) -> None:
            nonlocal n_epochs
            n_epochs += 1

        folder.mkdir(exist_ok=True)
        listener = MembersListener(
            on_epoch=count, stop_requested=lambda: stop_after is not None and n_epochs >= stop_after
        )
        found = train_members(
            build,
            2,
            train,
            None,
            settings(epochs=2),
            classes=CLASSES,
            listener=listener,
            folder=folder,
            resume=resume,
            workers=workers,
        )
        return [value for member in found for value in losses(member.result)]

    whole = members(tmp_path / "whole", None, resume=False, stop_after=math.inf)

    def run(workers: Workers, *, resume: bool, stop_after: float) -> list[float]:
        # Another folder each time for the second worker: it begins with nothing.
        folder = tmp_path / ("first" if workers.is_first else f"second-{resume}")
        return members(folder, workers, resume=resume, stop_after=stop_after)

    run_workers(2, lambda workers: run(workers, resume=False, stop_after=3))
    assert (tmp_path / "first" / member_file(0)).exists()
    assert not (tmp_path / "second-False" / member_file(0)).exists()
    for found in run_workers(2, lambda workers: run(workers, resume=True, stop_after=math.inf)):
        assert found == pytest.approx(whole, rel=PARALLEL_TRAJECTORY)


def test_validation_is_shared_out_and_the_same_to_the_bit(make: MakeClassifier, validation: EncodedCorpus) -> None:
    classifier = make()
    alone = validation_scores(classifier, validation)
    assert run_workers(3, lambda workers: validation_scores(make(), validation, workers)) == [alone] * 3


def test_fewer_validation_texts_than_workers(make: MakeClassifier, validation: EncodedCorpus) -> None:
    few = validation.select(np.arange(2))
    alone = validation_scores(make(), few)
    assert run_workers(3, lambda workers: validation_scores(make(), few, workers)) == [alone] * 3


def test_other_texts_settings_or_weights_are_refused(
    make: MakeClassifier, train: EncodedCorpus, validation: EncodedCorpus
) -> None:
    def run(workers: Workers, what: str) -> None:
        differs = workers.number == 1
        train_classifier(
            make(seed=1 if differs and what == "weights" else 0),
            order_corpus(160, seed=9) if differs and what == "encoded texts" else train,
            validation,
            settings(epochs=4 if differs and what == "settings" else 3),
            classes=CLASSES,
            workers=workers,
        )

    for what in ("encoded texts", "settings", "weights"):
        with pytest.raises(TrainingError, match=f"worker 1 has not the same {what}"):
            run_workers(2, lambda workers, what=what: run(workers, what))  # type: ignore[misc]


def test_weights_that_drift_apart_are_noticed_at_the_end_of_the_epoch(
    make: MakeClassifier, train: EncodedCorpus
) -> None:
    def run(workers: Workers) -> None:
        classifier = make()

        def spoil(report: object) -> None:
            if workers.number == 1:
                classifier.output.bias.data += 1e-6

        train_classifier(classifier, train, None, settings(), classes=CLASSES, workers=workers, on_batch=spoil)

    with pytest.raises(TrainingError, match="worker 1 has not the same weights"):
        run_workers(2, run)


def test_a_lost_worker_is_an_error_and_not_a_wait_without_end(make: MakeClassifier, train: EncodedCorpus) -> None:
    class GoneError(Exception):
        pass

    def run(workers: Workers) -> str:
        def leave(report: object) -> None:
            if workers.number == 1:
                raise GoneError

        try:
            train_classifier(make(), train, None, settings(), classes=CLASSES, workers=workers, on_batch=leave)
        except GoneError:
            workers._group = None  # type: ignore[assignment]  # as when a process ends: its connections close
            return "gone"
        except TrainingError as error:
            return str(error)
        return "finished"

    said, gone = run_workers(2, run)
    assert gone == "gone"
    assert "a worker was lost" in said
    assert "--resume" in said


def test_bytes_and_files_come_from_the_first(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "a").write_bytes(b"\x00state")
    (tmp_path / "0" / "empty").write_bytes(b"")
    (tmp_path / "1").mkdir()

    def work(workers: Workers) -> bytes | None:
        workers.files_from_first(tmp_path / str(workers.number), ["a", "missing", "empty"])
        return workers.bytes_from_first(b"abc" if workers.is_first else None)

    assert run_workers(2, work) == [b"abc", b"abc"]
    assert {p.name: p.read_bytes() for p in (tmp_path / "1").iterdir()} == {"a": b"\x00state", "empty": b""}
