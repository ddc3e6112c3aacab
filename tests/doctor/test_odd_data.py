"""Data at the edges: label sets, hardly any texts, no words, one endless text, names full of marks."""

import polars as pl
import pytest
from tests.doctor.conftest import clean_rows

from sulsul.corpora import DataSettings
from sulsul.doctor import check_before, examine_source
from sulsul.doctor.rendering import diagnosis_to_json, render_diagnosis
from sulsul.experiment import build_classifier, run_experiment
from sulsul.preparation import prepare
from sulsul.recipes import load_recipe
from sulsul.text import TextSettings

SMALL = (
    "text.tokenizer=word",
    "text.ngrams=none",
    "model.input.kind=embedding",
    "model.units=4",
    "model.input.size=4",
    "training.epochs=1",
    "training.threads=1",
)


def write(path, rows):
    pl.DataFrame(rows, schema=["text", "label"], orient="row").write_csv(path)
    return path


def examine(path, **settings):
    specification = load_recipe("default")
    data = DataSettings(source=str(path), text=("text",), label="label", **settings)
    return examine_source(data, specification.split)


def test_label_sets(tmp_path):
    rows = [(text, label if i % 3 else f"{label}|long") for i, (text, label) in enumerate(clean_rows(200))]
    path = write(tmp_path / "sets.csv", rows)
    overrides = (*SMALL, f'data.source="{path}"', "data.label_separator='|'")
    specification = load_recipe("default").with_overrides(overrides)
    data = prepare(specification)
    assert data.labels.multi_label
    diagnosis = check_before(data, specification, build_classifier(specification, data), thorough=True)
    assert diagnosis.count("error") == 0
    outcome = run_experiment(specification, tmp_path / "run", command="sulsul train", baselines=False)
    assert outcome.record.findings


@pytest.mark.parametrize(
    "rows",
    [
        [("one", "a"), ("two", "b"), ("three", "a")],
        [("", "a"), ("", "b")] * 20,
        [("!!!", "a"), ("...", "b")] * 20,
        [("word " * 200_000, "a"), ("short", "b"), ("shorter", "b"), ("other", "a")],
        [(text, "(a|b)*[" if label == "pos" else "b\\") for text, label in clean_rows(60)],
    ],
    ids=["three texts", "empty texts", "no words", "one endless text", "names like patterns"],
)
def test_odd_corpora_are_examined(tmp_path, rows):
    diagnosis = examine(write(tmp_path / "odd.csv", rows))
    assert "label-leak" in diagnosis.checked


def test_marks_of_the_terminal_in_the_data_have_no_effect(tmp_path):
    from rich.console import Console

    rows = [(f"[bold]\x1b[31m {text}", label) for text, label in clean_rows(60)]
    diagnosis = examine(write(tmp_path / "marks.csv", [*rows, *rows]))
    console = Console(record=True, width=100, force_terminal=True)
    with console.capture() as capture:
        console.print(render_diagnosis(diagnosis))
    assert "\x1b[31m the" not in capture.get()
    assert "[bold]" in capture.get()
    assert '"documentation"' in diagnosis_to_json(diagnosis, target="marks.csv")


def test_a_tokenizer_that_leaves_nothing_for_some_texts(tmp_path):
    rows = [*clean_rows(100), *[("?", "pos"), ("!", "neg")] * 5]
    specification = load_recipe("default").with_overrides((*SMALL, f'data.source="{write(tmp_path / "x.csv", rows)}"'))
    specification = specification.model_copy(update={"text": TextSettings(tokenizer="word", max_length=5)})
    data = prepare(specification)
    diagnosis = check_before(data, specification, build_classifier(specification, data), thorough=True)
    assert {"truncation", "cleaning"} <= {finding.check for finding in diagnosis.findings}
