"""``sulsul doctor`` as it is typed."""

import json
import zipfile

import numpy as np
import polars as pl
import pytest
from tests.doctor.conftest import clean_rows
from typer.testing import CliRunner

from sulsul.cli.app import app
from sulsul.errors import DataError, UsageError


def doctor(*arguments):
    result = CliRunner().invoke(app, ["doctor", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def table(tmp_path):
    def write(rows, name="data.csv"):
        path = tmp_path / name
        pl.DataFrame(rows, schema=["text", "label"], orient="row").write_csv(path)
        return path

    return write


def test_findings_come_with_reason_remedy_and_documentation(table):
    rows = clean_rows()
    output = doctor(table([*rows, *rows[:60]]), "--quick").output
    assert "error: " in output
    assert "→" in output
    assert "docs/mistakes.md#duplicates" in output


def test_strict_makes_errors_exit_with_one(table):
    rows = clean_rows(1000)
    bad = table([*rows, *rows[:400]])
    assert doctor(bad, "--quick").exit_code == 0
    assert doctor(bad, "--quick", "--strict").exit_code == 1
    assert doctor(table(rows, "clean.csv"), "--strict").exit_code == 0


def test_json(table):
    rows = clean_rows()
    found = json.loads(doctor(table([*rows, *rows[:60]]), "--json", "--quick").output)
    assert found["counts"]["error"] == 1
    duplicates = next(finding for finding in found["findings"] if finding["check"] == "duplicates")
    assert duplicates["documentation"] == "docs/mistakes.md#duplicates"
    assert "near-duplicates" not in found["checked"]


def test_a_recipe_with_data_and_a_specification_alone(table, tmp_path):
    padded = ("--recipe", "seoul-birnn", "--set", "data.keep_classes=[]", "--set", "training.threads=1")
    found = json.loads(
        doctor(table(clean_rows()), "--text", "text", "--label", "label", *padded, "--json", "--quick").output
    )
    assert {"unmasked-padding", "padding-share"} <= {finding["check"] for finding in found["findings"]}
    alone = tmp_path / "own.toml"
    alone.write_text('[training]\nkeep = "last"\n')
    output = doctor("--spec", alone).output
    assert "There are no data" in output
    assert "docs/mistakes.md#last-epoch-kept" in output


def test_texts_without_labels_are_examined_as_far_as_they_go(tmp_path):
    path = tmp_path / "texts.csv"
    pl.DataFrame({"text": ["nan", *(text for text, _ in clean_rows(60))]}).write_csv(path)
    found = json.loads(doctor(path, "--text", "text", "--json").output)
    assert [finding["check"] for finding in found["findings"]] == ["missing-texts"]
    assert "not divided" in found["remarks"][0]


def test_what_cannot_be_examined_is_refused(tmp_path):
    with pytest.raises(UsageError, match="give what to examine"):
        doctor()
    with pytest.raises(DataError, match="no such"):
        doctor(tmp_path / "absent.csv")


def test_a_keras_file_with_its_arrays(tmp_path):
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, 1, 20]}},
        {"class_name": "LSTM", "config": {"units": 4, "return_sequences": False}},
        {"class_name": "Dense", "config": {"units": 1, "activation": "softmax"}},
    ]}}  # fmt: skip
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    np.savez(tmp_path / "x.npz", x=np.arange(600).reshape(30, 1, 20), y=np.arange(30) % 2)
    result = doctor(tmp_path / "m.keras", tmp_path / "x.npz", "--json", "--strict")
    assert result.exit_code == 1
    found = {finding["check"] for finding in json.loads(result.output)["findings"]}
    assert found == {"one-timestep", "ids-as-numbers", "softmax-one-unit"}
    with pytest.raises(UsageError, match="INPUTS belong"):
        doctor(tmp_path / "x.csv", tmp_path / "x.npz")
