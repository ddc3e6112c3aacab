"""Tables in the terminal: everything that counts is there, and data is printed literally."""

import numpy as np
import pytest
from rich.console import Console

from sulsul.evaluation import evaluate_predictions
from sulsul.report.text_table import printable, render_terminal


def printed(record, width=100):
    console = Console(width=width, record=True, file=None, force_terminal=False, quiet=False)
    with console.capture() as capture:
        console.print(render_terminal(record))
    return capture.get()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_training_run(full_record, width):
    text = printed(full_record, width)
    for expected in ("bilstm", "TF-IDF", "0.879", "행정", "Precision", "Confusion", "error:", "Not distinguishable"):
        assert expected in text
    assert max(len(line) for line in text.splitlines()) <= width
    assert text.rstrip().splitlines()[-1].strip() == "507 rows of other classes were left out."


def test_outcomes_of_the_paired_tests(full_record):
    assert "TF-IDF characters 1–4, linear: not distinguishable on 428 texts" in printed(full_record)


@pytest.mark.parametrize("width", [80, 120])
def test_a_comparison(compare_record, width):
    text = printed(compare_record, width)
    for expected in ("Contender", "simple-rnn", "(control)", "(baseline)", "329,795", "Against the best", "Word order"):
        assert expected in text
    assert text.count("Contender") == (1 if width == 120 else 2)
    assert max(len(line) for line in text.splitlines()) <= width


def test_a_bare_record(bare_record):
    assert "Nothing was evaluated." in printed(bare_record)


def test_without_baselines_the_majority_is_shown(full_record):
    text = printed(full_record.model_copy(update={"baselines": (), "paired": ()}))
    assert "always “행정”" in text


def test_many_classes_are_cut(full_record):
    names = [f"class {c}" for c in range(50)]
    evaluation = evaluate_predictions(np.arange(50), np.eye(50), names)
    text = printed(full_record.model_copy(update={"evaluations": {"test": evaluation}}))
    assert "the 30 most frequent of 50" in text
    assert "Confusion" not in text


def test_markup_and_control_characters_in_data_have_no_effect(full_record):
    names = ["[red]빨강[/red]", "\x1b[2Jwipe"]
    evaluation = evaluate_predictions([0, 1], np.eye(2), names)
    text = printed(full_record.model_copy(update={"evaluations": {"test": evaluation}}))
    assert "[red]빨강[/red]" in text
    assert "\x1b" not in text


def test_printable():
    assert printable("a\tb\x9bc") == "a\ufffdb\ufffdc"
    assert printable("두\n줄") == "두 줄"
