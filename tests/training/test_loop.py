import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from tests.training.conftest import VOCABULARY_SIZE, tiny_specification

from sulsul.batching import BatchSampler, EncodedCorpus
from sulsul.errors import SpecificationError, TrainingError
from sulsul.inference import predict_logits
from sulsul.model.classifier import Classifier
from sulsul.model.specification import EmbeddingInput, ModelSpecification, RecurrentLayer
from sulsul.training import BatchReport, EpochRecord, TrainingResult, TrainingSettings, train_classifier

CLASSES = ("two first", "one first")
Make = Callable[..., Classifier]


def settings(**values: object) -> TrainingSettings:
    return TrainingSettings.model_validate(
        {"learning_rate": 0.02, "batch_size": 16, "epochs": 3, "threads": 1, "patience": None, **values}
    )


def weights(classifier: Classifier) -> bytes:
    return safetensors.torch.save(classifier.state_dict())


def untimed(result: TrainingResult) -> list[EpochRecord]:
    return [record.model_copy(update={"seconds": 0.0}) for record in result.history]


def test_learns_a_task_that_only_word_order_decides(
    make_classifier: Make, train: EncodedCorpus, validation: EncodedCorpus
) -> None:
    classifier = make_classifier()
    result = train_classifier(classifier, train, validation, settings(epochs=15), classes=CLASSES)
    last = result.history[-1]
    assert last.val_accuracy is not None
    assert last.val_accuracy > 0.95
    assert [record.epoch for record in result.history] == list(range(1, 16))
    assert (result.stopped, result.monitored) == ("finished", "val_loss")
    assert not classifier.training


def test_tokens_left_out_take_the_task_away(train: EncodedCorpus, validation: EncodedCorpus) -> None:
    """Who sees the 1 or the 2 alone cannot tell which came first: training goes on, and on other texts each epoch."""
    losses = []
    for rate in (0.0, 0.6):
        classifier = Classifier(tiny_specification(), vocabulary_size=VOCABULARY_SIZE, n_classes=2)
        chosen = settings(epochs=12, patience=None, token_dropout=rate)
        losses.append(train_classifier(classifier, train, validation, chosen, classes=CLASSES).history[-1].loss)
    assert losses[0] < 0.3
    assert losses[1] > 0.5


def test_without_recurrence_the_task_cannot_be_learned(train: EncodedCorpus, validation: EncodedCorpus) -> None:
    bag = ModelSpecification(input=EmbeddingInput(size=6), layers=(), pooling="mean")
    classifier = Classifier(bag, vocabulary_size=8, n_classes=2)
    result = train_classifier(classifier, train, validation, settings(epochs=8), classes=CLASSES)
    best = max(record.val_accuracy or 0.0 for record in result.history)
    assert best < 0.75


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam", "adamw"])
def test_one_seed_repeats_to_the_bit_and_another_does_not(
    make_classifier: Make, train: EncodedCorpus, validation: EncodedCorpus, optimizer: str
) -> None:
    def run(seed: int) -> tuple[bytes, list[EpochRecord]]:
        classifier = make_classifier(dropout=0.3)
        chosen = settings(seed=seed, epochs=2, optimizer=optimizer, schedule="cosine", warmup_steps=3, clip_norm=0.5)
        result = train_classifier(classifier, train, validation, chosen, classes=CLASSES)
        return weights(classifier), untimed(result)

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_the_number_of_threads_changes_nothing_in_the_loop(
    make_classifier: Make, train: EncodedCorpus, validation: EncodedCorpus
) -> None:
    # The matrices are too small for torch to split their products, whose rounding would depend on it.
    outcomes = []
    for threads in (1, 2):
        classifier = make_classifier(dropout=0.3)
        chosen = settings(epochs=1, threads=threads, clip_norm=0.1)
        train_classifier(classifier, train, validation, chosen, classes=CLASSES)
        outcomes.append(weights(classifier))
    assert outcomes[0] == outcomes[1]


def test_global_state_of_torch_is_left_alone(
    make_classifier: Make, train: EncodedCorpus, validation: EncodedCorpus
) -> None:
    before, n_threads = torch.get_rng_state(), torch.get_num_threads()
    train_classifier(make_classifier(dropout=0.5), train, validation, settings(epochs=1), classes=CLASSES)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == n_threads
    assert (torch.full((1,), 1e-39) * 0.5).item() > 0.0


def test_best_weights_are_restored_and_last_ones_on_request(
    make_classifier: Make, train: EncodedCorpus, validation: EncodedCorpus
) -> None:
    assert validation.class_ids is not None
    # Flipped labels: the better the task is learned, the worse the validation loss.
    flipped = EncodedCorpus(validation.token_ids, validation.offsets, 1 - validation.class_ids)
    snapshots: list[bytes] = []
    kept = {}
    for keep in ("best", "last"):
        classifier = make_classifier()
        snapshots.clear()
        chosen = settings(epochs=4, keep=keep)
        result = train_classifier(
            classifier,
            train,
            flipped,
            chosen,
            classes=CLASSES,
            on_epoch=lambda _, classifier=classifier: snapshots.append(weights(classifier)),
        )
        kept[keep] = result.kept_epoch
        assert weights(classifier) == snapshots[result.kept_epoch - 1]
        losses = [record.val_loss for record in result.history]
        assert result.best_epoch == 1 + losses.index(min(loss for loss in losses if loss is not None))
    assert kept["last"] == 4
    assert kept["best"] < 4


def test_early_stopping_counts_as_keras(make_classifier: Make, train: EncodedCorpus, validation: EncodedCorpus) -> None:
    chosen = settings(learning_rate=0.5, epochs=30, patience=2)
    result = train_classifier(make_classifier(), train, validation, chosen, classes=CLASSES)
    assert result.stopped == "early"
    assert len(result.history) == result.best_epoch + 2


def test_without_validation_the_training_loss_decides(make_classifier: Make, train: EncodedCorpus) -> None:
    result = train_classifier(make_classifier(), train, None, settings(monitor="val_macro_f1"), classes=CLASSES)
    assert result.monitored == "loss"
    assert result.history[0].val_loss is None
    assert result.best_epoch == min(result.history, key=lambda record: record.loss).epoch


def test_validation_scores_are_those_of_the_kept_weights(
    make_classifier: Make, train: EncodedCorpus, validation: EncodedCorpus
) -> None:
    classifier = make_classifier(dropout=0.4)
    result = train_classifier(classifier, train, validation, settings(), classes=CLASSES)
    logits = predict_logits(classifier, validation)[:, 0].astype(np.float64)
    signs = np.where(validation.class_ids == 1, 1.0, -1.0)
    record = result.history[result.kept_epoch - 1]
    assert record.val_loss == pytest.approx(np.logaddexp(0.0, -signs * logits).mean(), rel=1e-12)
    assert record.val_accuracy == np.mean((logits > 0) == (validation.class_ids == 1))


@pytest.mark.parametrize("how", ["stop", "ctrl-c"])
def test_interruption_keeps_the_best(
    make_classifier: Make, train: EncodedCorpus, validation: EncodedCorpus, how: str, tmp_path: Path
) -> None:
    classifier = make_classifier()
    best: list[bytes] = []
    reports: list[BatchReport] = []

    def on_batch(report: BatchReport) -> None:
        reports.append(report)
        if how == "ctrl-c" and len(reports) == 14:
            raise KeyboardInterrupt

    result = train_classifier(
        classifier,
        train,
        validation,
        settings(keep="last"),
        classes=CLASSES,
        on_epoch=lambda _: best.append(weights(classifier)),
        on_batch=on_batch,
        poll_interval_s=0.0,
        stop_requested=lambda: how == "stop" and len(reports) == 14,
    )
    assert (result.stopped, len(result.history), result.kept_epoch) == ("interrupted", 1, 1)
    assert len(reports) == 14
    assert (reports[-1].epoch, reports[-1].batch, reports[-1].n_batches) == (2, 4, 10)
    assert weights(classifier) == best[0]


def test_interruption_before_the_first_epoch_ended(make_classifier: Make, train: EncodedCorpus) -> None:
    result = train_classifier(make_classifier(), train, None, settings(), classes=CLASSES, stop_requested=lambda: True)
    assert (result.stopped, result.best_epoch, result.kept_epoch, result.history) == ("interrupted", 0, 0, [])


def test_a_loss_that_is_not_a_number_says_where_and_what_to_do(
    make_classifier: Make, train: EncodedCorpus, validation: EncodedCorpus
) -> None:
    classifier = make_classifier()
    with torch.no_grad():
        classifier.output.bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"loss became nan at epoch 1, batch 1 \(learning rate 0\.02\).*clip_norm"):
        train_classifier(classifier, train, validation, settings(), classes=CLASSES)


def test_the_batch_of_such_a_loss_is_named_among_steps_taken_together(
    make_classifier: Make, train: EncodedCorpus
) -> None:
    chosen = settings()
    sampler = BatchSampler(train.lengths, chosen.batch_size, seed=chosen.seed, bucket=chosen.bucket, shuffle=True)
    weights = np.ones(len(train), np.float32)
    weights[sampler.epoch(1)[6][2]] = np.nan
    weighted = EncodedCorpus(train.token_ids, train.offsets, train.class_ids, weights)
    with pytest.raises(TrainingError, match="loss became nan at epoch 1, batch 7 "):
        train_classifier(make_classifier(), weighted, None, chosen, classes=CLASSES, poll_interval_s=60.0)


@pytest.mark.parametrize("token_dropout", [0.0, 0.2])
def test_polling_changes_no_bit(
    make_classifier: Make, train: EncodedCorpus, validation: EncodedCorpus, token_dropout: float
) -> None:
    ends, reports = [], []
    for interval_s in (0.0, 60.0):
        classifier, seen = make_classifier(dropout=0.3), list[BatchReport]()
        result = train_classifier(
            classifier,
            train,
            validation,
            settings(schedule="cosine", warmup_steps=3, token_dropout=token_dropout),
            classes=CLASSES,
            on_batch=seen.append,
            poll_interval_s=interval_s,
        )
        ends.append((weights(classifier), untimed(result)))
        reports.append(seen)
    assert ends[0] == ends[1]
    assert [report.batch for report in reports[0]] == list(range(1, 11)) * 3
    assert set(reports[1]) < set(reports[0]) or reports[0] == reports[1]


def test_weights_that_overflow_in_the_last_step_are_found(make_classifier: Make, train: EncodedCorpus) -> None:
    chosen = settings(optimizer="sgd", learning_rate=3e38, batch_size=len(train), momentum=0.9, weight_decay=10.0)
    with pytest.raises(
        TrainingError, match=r"stopped being finite numbers at the end of epoch 1 \(learning rate 3e\+38"
    ):
        train_classifier(make_classifier(), train, None, chosen, classes=CLASSES)


def test_history_counts_every_text_once(make_classifier: Make, train: EncodedCorpus) -> None:
    classifier = make_classifier()
    logits = predict_logits(classifier, train)[:, 0].astype(np.float64)
    chosen = settings(optimizer="sgd", learning_rate=1e-30, epochs=1)
    record = train_classifier(classifier, train, None, chosen, classes=CLASSES).history[0]
    signs = np.where(train.class_ids == 1, 1.0, -1.0)
    assert record.loss == pytest.approx(np.logaddexp(0.0, -signs * logits).mean(), rel=1e-6)
    assert record.accuracy == np.mean((logits > 0) == (train.class_ids == 1))


def test_softmax_and_label_sets_train(train: EncodedCorpus) -> None:
    assert train.class_ids is not None
    specification = ModelSpecification(
        input=EmbeddingInput(size=4), layers=(RecurrentLayer(kind="simple-rnn", units=4),)
    )
    three = EncodedCorpus(train.token_ids, train.offsets, (train.lengths % 3).astype(np.int64))
    sets = EncodedCorpus(train.token_ids, train.offsets, np.stack([train.class_ids, train.lengths > 4], 1).astype("f4"))
    for corpus, n_classes in ((three, 3), (sets, 2)):
        classifier = Classifier(specification, vocabulary_size=8, n_classes=n_classes, multi_label=corpus is sets)
        result = train_classifier(
            classifier, corpus, corpus, settings(epochs=4, class_weight="balanced"), classes=list("abc")[:n_classes]
        )
        first, last = result.history[0], result.history[-1]
        assert last.loss < first.loss
        assert last.val_macro_f1 is not None
        assert math.isfinite(last.val_macro_f1)


def test_refuses_what_cannot_train(make_classifier: Make, train: EncodedCorpus) -> None:
    classifier = make_classifier()
    unlabelled = EncodedCorpus(train.token_ids, train.offsets, None)
    empty = train.select(np.empty(0, np.int64))
    assert train.class_ids is not None
    beyond = EncodedCorpus(train.token_ids, train.offsets, train.class_ids + 1)
    for bad, message in ((unlabelled, "no labels"), (empty, "no texts"), (beyond, "class ids from 1 to 2")):
        with pytest.raises(TrainingError, match=message):
            train_classifier(classifier, bad, None, settings(), classes=CLASSES)
        with pytest.raises(TrainingError, match=f"validation split.*{message}"):
            train_classifier(classifier, train, bad, settings(), classes=CLASSES)
    with pytest.raises(TrainingError, match="3 class names"):
        train_classifier(classifier, train, None, settings(), classes=["a", "b", "c"])
    with pytest.raises(SpecificationError, match="warmup_steps is 30, but the whole run has only 30 steps"):
        train_classifier(classifier, train, None, settings(warmup_steps=30), classes=CLASSES)
