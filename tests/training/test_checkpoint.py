import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from sulsul.batching import EncodedCorpus
from sulsul.errors import BundleError, OutputError, TrainingError
from sulsul.model.classifier import Classifier
from sulsul.training import TrainingResult, TrainingSettings, load_checkpoint, save_checkpoint, train_classifier
from sulsul.training.checkpoint import corpora_fingerprint
from sulsul.training.history import EpochRecord

CLASSES = ("two first", "one first")
Make = Callable[..., Classifier]
N_BATCHES = 10


def settings(**values: object) -> TrainingSettings:
    return TrainingSettings.model_validate(
        {
            "learning_rate": 0.02,
            "batch_size": 16,
            "epochs": 3,
            "threads": 1,
            "schedule": "plateau",
            "plateau_patience": 1,
            "warmup_steps": 4,
            "clip_norm": 1.0,
            **values,
        }
    )


def end_state(classifier: Classifier, result: TrainingResult) -> tuple[bytes, list[EpochRecord], int]:
    untimed = [record.model_copy(update={"seconds": 0.0}) for record in result.history]
    return safetensors.torch.save(classifier.state_dict()), untimed, result.best_epoch


def interrupt_and_resume(
    make: Make,
    train: EncodedCorpus,
    validation: EncodedCorpus,
    chosen: TrainingSettings,
    path: Path,
    stops: list[int],
) -> tuple[bytes, list[EpochRecord], int]:
    """Stop before each of the numbers of steps, resume with a fresh classifier each time, and return the end state."""
    for stop in [*stops, 10**9]:
        state = load_checkpoint(path) if path.exists() else None
        steps = state.header.position.step if state else 0
        n_done = [steps]
        classifier = make(dropout=0.3, seed=stop % 1000)
        if state is None:
            classifier = make(dropout=0.3)
        result = train_classifier(
            classifier,
            train,
            validation,
            chosen,
            classes=CLASSES,
            checkpoint_path=path,
            resume_from=state,
            poll_interval_s=0.0,
            on_batch=lambda _, n_done=n_done: n_done.__setitem__(0, n_done[0] + 1),
            stop_requested=lambda n_done=n_done, stop=stop: n_done[0] >= stop,
        )
    return end_state(classifier, result)


@pytest.mark.parametrize("token_dropout", [0.0, 0.2])
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam", "adamw"])
def test_an_interrupted_run_ends_with_the_same_bytes(
    make_classifier: Make,
    train: EncodedCorpus,
    validation: EncodedCorpus,
    tmp_path: Path,
    optimizer: str,
    token_dropout: float,
) -> None:
    momentum = 0.9 if optimizer == "sgd" else 0.0
    chosen = settings(optimizer=optimizer, momentum=momentum, token_dropout=token_dropout)
    classifier = make_classifier(dropout=0.3)
    whole = end_state(classifier, train_classifier(classifier, train, validation, chosen, classes=CLASSES))
    # Within an epoch, at its end, and before the first step.
    stops = [0, 4, N_BATCHES, N_BATCHES + 7, 3 * N_BATCHES - 1]
    path = tmp_path / "checkpoint.safetensors"
    assert interrupt_and_resume(make_classifier, train, validation, chosen, path, stops) == whole


def test_a_killed_run_goes_on_from_its_last_checkpoint(
    make_classifier: Make, train: EncodedCorpus, validation: EncodedCorpus, tmp_path: Path
) -> None:
    chosen, path = settings(keep="last"), tmp_path / "checkpoint.safetensors"
    classifier = make_classifier(dropout=0.3)
    whole = end_state(classifier, train_classifier(classifier, train, validation, chosen, classes=CLASSES))

    class KilledError(Exception):
        pass

    def die(report: object) -> None:
        if getattr(report, "epoch") == 2 and getattr(report, "batch") == 6:  # noqa: B009
            raise KilledError

    # An interval of 0 saves after every step; a long one at the end of epochs only.
    for interval_s, step in ((0.0, N_BATCHES + 5), (1e9, N_BATCHES)):
        path.unlink(missing_ok=True)
        with pytest.raises(KilledError):
            train_classifier(
                make_classifier(dropout=0.3),
                train,
                validation,
                chosen,
                classes=CLASSES,
                checkpoint_path=path,
                checkpoint_interval_s=interval_s,
                poll_interval_s=0.0,
                on_batch=die,
            )
        state = load_checkpoint(path)
        assert state.header.position.step == step
        classifier = make_classifier(dropout=0.3, seed=9)
        result = train_classifier(classifier, train, validation, chosen, classes=CLASSES, resume_from=state)
        assert end_state(classifier, result) == whole


def test_resuming_a_finished_run_only_gives_its_result_again(
    make_classifier: Make, train: EncodedCorpus, validation: EncodedCorpus, tmp_path: Path
) -> None:
    for patience, stopped in ((None, "finished"), (1, "early")):
        chosen, path = settings(learning_rate=0.5, patience=patience, epochs=20 if patience else 2), tmp_path / "c"
        classifier, again = make_classifier(), make_classifier(seed=3)
        first = train_classifier(classifier, train, validation, chosen, classes=CLASSES, checkpoint_path=path)
        second = train_classifier(
            again, train, validation, chosen, classes=CLASSES, resume_from=load_checkpoint(path), on_batch=pytest.fail
        )
        assert first.stopped == stopped
        assert second == first
        assert end_state(again, second) == end_state(classifier, first)


@pytest.fixture
def saved(make_classifier: Make, train: EncodedCorpus, validation: EncodedCorpus, tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.safetensors"
    train_classifier(make_classifier(), train, validation, settings(epochs=1), classes=CLASSES, checkpoint_path=path)
    return path


def test_a_checkpoint_written_again_has_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    save_checkpoint(copy, load_checkpoint(saved))
    assert copy.read_bytes() == saved.read_bytes()


def test_refuses_another_run(
    saved: Path, make_classifier: Make, train: EncodedCorpus, validation: EncodedCorpus
) -> None:
    state, same = load_checkpoint(saved), settings(epochs=1)
    refused = [
        (train, validation, settings(epochs=1, learning_rate=0.5), CLASSES, r"training\.learning_rate was 0\.02"),
        (train, train, same, CLASSES, "the encoded texts"),
        (train, validation, same, ("a", "b"), "its classes were"),
    ]
    for corpus, held_out, chosen, classes, message in refused:
        with pytest.raises(TrainingError, match=message):
            train_classifier(make_classifier(), corpus, held_out, chosen, classes=classes, resume_from=state)
    larger = Classifier(make_classifier().specification, vocabulary_size=9, n_classes=2)
    with pytest.raises(TrainingError, match="its network was another one"):
        train_classifier(larger, train, validation, same, classes=CLASSES, resume_from=state)
    for group in ("model", "best", "random"):
        lacking = dataclasses.replace(state, **{group: {}})
        with pytest.raises(TrainingError, match="and is now"):
            train_classifier(make_classifier(), train, validation, same, classes=CLASSES, resume_from=lacking)


def test_the_number_of_threads_may_change(
    saved: Path, make_classifier: Make, train: EncodedCorpus, validation: EncodedCorpus
) -> None:
    chosen = settings(epochs=1, threads=2)
    state = load_checkpoint(saved)
    result = train_classifier(make_classifier(), train, validation, chosen, classes=CLASSES, resume_from=state)
    assert result.stopped == "finished"


def test_damaged_or_foreign_files_are_refused(saved: Path, tmp_path: Path) -> None:
    content = saved.read_bytes()
    with safetensors.safe_open(saved, "pt") as file:
        header = json.loads(file.metadata()["sulsul_checkpoint"])
    foreign = {"x": torch.zeros(1)}
    damaged = {
        "cut": content[: len(content) // 2],
        "empty": b"",
        "text": b"not a checkpoint at all",
        "foreign": safetensors.torch.save(foreign),
        "no header": safetensors.torch.save({"model.x": torch.zeros(1)}),
        "newer": safetensors.torch.save({}, {"sulsul_checkpoint": json.dumps({**header, "schema_version": 2})}),
        "not json": safetensors.torch.save({}, {"sulsul_checkpoint": "{"}),
    }
    for name, wrong in damaged.items():
        path = tmp_path / name
        path.write_bytes(wrong)
        with pytest.raises(BundleError, match=name):
            load_checkpoint(path)
    with pytest.raises(BundleError, match="missing"):
        load_checkpoint(tmp_path / "missing")


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(
    saved: Path, make_classifier: Make, train: EncodedCorpus, validation: EncodedCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        train_classifier(
            make_classifier(), train, validation, settings(epochs=1), classes=CLASSES, checkpoint_path=saved
        )
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_fingerprint_sees_every_array(train: EncodedCorpus) -> None:
    assert train.class_ids is not None
    unlabelled = EncodedCorpus(train.token_ids, train.offsets)
    flipped = EncodedCorpus(train.token_ids, train.offsets, 1 - train.class_ids)
    recut = EncodedCorpus(train.token_ids, np.sort(np.append(train.offsets[:-2], [1, train.offsets[-1]])))
    empty = train.select(np.empty(0, np.int64))
    several = [(train,), (unlabelled,), (flipped,), (recut,), (empty,), (train, None), (None, train), (train, train)]
    assert len({corpora_fingerprint(*corpora) for corpora in several}) == len(several)
    assert corpora_fingerprint(train, None) == corpora_fingerprint(train, None)
