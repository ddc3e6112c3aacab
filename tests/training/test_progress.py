import io

import pytest
from rich.console import Console

from sulsul.training import BatchReport, EpochRecord, TrainingProgress

RECORD = EpochRecord(
    epoch=2,
    loss=0.5,
    accuracy=0.75,
    val_loss=0.6,
    val_accuracy=0.7,
    val_macro_f1=0.65,
    learning_rate=1e-3,
    seconds=1.25,
)


def report(epoch: int, batch: int) -> BatchReport:
    return BatchReport(epoch=epoch, n_epochs=4, batch=batch, n_batches=10, loss=0.7, accuracy=0.5)


def test_plain_lines_without_a_terminal() -> None:
    console = Console(file=io.StringIO(), force_terminal=False, width=40)
    with TrainingProgress(console) as progress:
        progress.on_batch(report(1, 1))
        progress.on_batch(report(2, 10))
        progress.on_epoch(RECORD)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == (
        "epoch 2/4 · loss 0.5000 · accuracy 0.750 · val. loss 0.6000 · accuracy 0.700 · macro-F1 0.650 · 1.2 s"
        " · at most 0:00:00 left\n"
    )


def test_the_estimate_follows_the_pace_of_this_session() -> None:
    progress = TrainingProgress(Console(file=io.StringIO()))
    progress.on_batch(report(1, 5))
    progress._started_s -= 32.0
    progress.on_batch(report(2, 10))
    # 16 batches in 32 s; 20 batches are left.
    assert progress._estimate() == " · at most 0:00:40 left"


def test_another_network_begins_an_estimate_of_its_own() -> None:
    progress = TrainingProgress(Console(file=io.StringIO()))
    progress.on_batch(report(2, 10))
    progress._drawn_s = 0.0
    progress.on_batch(report(2, 9))
    progress._started_s -= 2.0
    # 1 batch in 2 s; 21 batches are left.
    assert progress._estimate() == " · at most 0:00:42 left"


def test_a_terminal_gets_a_live_bar_that_is_cleared() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with TrainingProgress(console) as progress:
        progress.on_batch(report(1, 1))
        progress._drawn_s = 0.0
        progress.on_batch(report(1, 2))
        progress.on_epoch(RECORD)
    assert isinstance(console.file, io.StringIO)
    assert "epoch 1/4" in console.file.getvalue()
    assert "loss 0.7000" in console.file.getvalue()


def test_jupyter_gets_one_output_that_is_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[str, str]] = []

    class Handle:
        def display(self, data: dict[str, str], *, raw: bool) -> None:
            assert raw
            drawn.append(("display", data["text/html"]))

        def update(self, data: dict[str, str], *, raw: bool) -> None:
            assert raw
            drawn.append(("update", data["text/plain"]))

    monkeypatch.setattr("IPython.display.DisplayHandle", Handle)
    with TrainingProgress(Console(file=io.StringIO(), force_jupyter=True)) as progress:
        progress._drawn_s = 0.0
        progress.on_batch(report(1, 1))
        progress.on_epoch(RECORD)
    assert drawn[0][0] == "display"
    assert drawn[0][1].startswith("<pre>epoch 1/4 · batch 1/10 · loss 0.7000")
    assert [kind for kind, _ in drawn[1:]] == ["update", "update"]
    assert drawn[-1][1].startswith("epoch 2/4 · loss 0.5000")


def test_members_are_numbered_and_the_later_ones_are_in_the_estimate() -> None:
    console = Console(file=io.StringIO(), width=200)
    with TrainingProgress(console) as progress:
        progress.on_member(1, 3)
        progress._started_s -= 10.0
        progress.on_batch(report(1, 1))
        progress.on_epoch(RECORD)
    assert isinstance(console.file, io.StringIO)
    line = console.file.getvalue()
    assert line.startswith("member 2/3 · epoch")
    # One batch of ten took 10 s: 79 are left of two members with four epochs of ten batches each.
    assert "at most 0:13:1" in line


def test_nothing_is_printed_before_the_first_report() -> None:
    assert TrainingProgress(Console(file=io.StringIO()))._estimate() == ""
