import pytest
from hypothesis import given
from hypothesis import strategies as st

from sulsul.errors import BundleError
from sulsul.training.history import COLUMNS, EpochRecord, history_from_csv, history_to_csv

numbers = st.floats(allow_nan=False)
records = st.builds(
    EpochRecord,
    epoch=st.integers(1, 10**6),
    loss=numbers,
    accuracy=numbers,
    val_loss=st.none() | numbers,
    val_accuracy=st.none() | numbers,
    val_macro_f1=st.none() | numbers,
    learning_rate=numbers,
    seconds=numbers,
)


@given(st.lists(records, max_size=5))
def test_csv_reads_back_to_the_bit(history: list[EpochRecord]) -> None:
    assert history_from_csv(history_to_csv(history)) == history


def test_the_columns_are_fixed() -> None:
    assert COLUMNS == (
        "epoch",
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
        "val_macro_f1",
        "learning_rate",
        "seconds",
    )


HEADER = ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "h.csv: the first line must be epoch,loss"),
        ("epoch,loss\n1,2\n", "the first line must be"),
        (HEADER + "1,0.5,0.5,,,,0.1,1.0\n2,0.5\n", "h.csv, row 2: 8 fields are needed, not 2"),
        (HEADER + "1,much,0.5,,,,0.1,1.0\n", "h.csv, row 1, column loss: "),
        (HEADER + "0,0.5,0.5,,,,0.1,1.0\n", "h.csv, row 1, column epoch: "),
        (HEADER + "1,,0.5,,,,0.1,1.0\n", "h.csv, row 1, column loss: "),
    ],
)
def test_malformed_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        history_from_csv(text, where="h.csv")
