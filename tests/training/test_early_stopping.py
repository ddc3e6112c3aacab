import pytest

from sulsul.training.early_stopping import EarlyStopping
from sulsul.training.history import EpochRecord
from sulsul.training.settings import TrainingSettings


def record(epoch: int, value: float) -> EpochRecord:
    return EpochRecord(
        epoch=epoch,
        loss=-value,
        accuracy=0.0,
        val_loss=value,
        val_accuracy=value,
        val_macro_f1=value,
        learning_rate=0.1,
        seconds=0.0,
    )


def stopped_at(values: list[float], stopping: EarlyStopping) -> int | None:
    for epoch, value in enumerate(values, start=1):
        stopping.end_epoch(record(epoch, value))
        if stopping.should_stop:
            return epoch
    return None


# Expected epochs follow Keras's callback: the counter rises in epochs that do not improve, an improvement clears it,
# and training stops when it reaches the patience. The first epoch always improves.
@pytest.mark.parametrize(
    ("patience", "expected"),
    [(0, 3), (1, 3), (2, 6), (3, 7), (4, None), (None, None)],
)
def test_patience_counts_as_keras(patience: int | None, expected: int | None) -> None:
    losses = [0.9, 0.8, 0.85, 0.7, 0.7, 0.75, 0.71, 0.6]
    stopping = EarlyStopping(TrainingSettings(patience=patience), has_validation=True)
    assert stopped_at(losses, stopping) == expected


def test_an_equal_value_is_no_improvement() -> None:
    stopping = EarlyStopping(TrainingSettings(patience=2), has_validation=True)
    assert stopped_at([0.5, 0.5, 0.5], stopping) == 3
    assert stopping.state.best_epoch == 1


@pytest.mark.parametrize("monitor", ["val_accuracy", "val_macro_f1"])
def test_scores_should_rise(monitor: str) -> None:
    stopping = EarlyStopping(TrainingSettings.model_validate({"monitor": monitor, "patience": 1}), has_validation=True)
    assert stopping.maximise
    assert stopped_at([0.5, 0.6, 0.7, 0.65], stopping) == 4
    assert stopping.state.best_epoch == 3


def test_without_validation_the_training_loss_is_watched() -> None:
    settings = TrainingSettings(monitor="val_accuracy", patience=1)
    stopping = EarlyStopping(settings, has_validation=False)
    assert (stopping.monitored, stopping.maximise) == ("loss", False)
    # record() gives the training loss the opposite sign.
    assert stopped_at([0.1, 0.2, 0.15], stopping) == 3


def test_a_record_without_the_quantity_is_refused() -> None:
    stopping = EarlyStopping(TrainingSettings(), has_validation=True)
    with pytest.raises(ValueError, match="epoch 4 has no val_loss"):
        stopping.end_epoch(EpochRecord.of_training(4, loss=0.5))
