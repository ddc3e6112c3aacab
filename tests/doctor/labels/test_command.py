import csv
import io
import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from sulsul.cli.app import app
from sulsul.errors import DataError, OutputError, UsageError

_THINGS = ("room", "soup", "ferry", "lecture", "phone", "garden", "ticket", "waiter")
_WORDS = {"good": ("lovely", "quick", "bright", "fair"), "bad": ("awful", "slow", "gloomy", "rude")}


def rows_of(n=160, wrong=8):
    """Return rows of (text, label) of which some labels are turned, and the row numbers of those."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(n):
        label = ("good", "bad")[number % 2]
        first, second = rng.choice(_WORDS[label], 2, replace=False)
        rows.append((f"the {rng.choice(_THINGS)} {number} was {first} and {second}", label))
    turned = sorted(rng.permutation(n)[:wrong].tolist())
    for index in turned:
        text, label = rows[index]
        rows[index] = (text, "bad" if label == "good" else "good")
    return rows, [index + 1 for index in turned]


@pytest.fixture
def table(tmp_path):
    def write(rows, columns=("text", "label")):
        pl.DataFrame(rows, schema=list(columns), orient="row").write_csv(tmp_path / "data.csv")
        return tmp_path / "data.csv"

    return write


def doctor(*arguments):
    result = CliRunner().invoke(app, ["doctor", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def test_planted_wrong_labels_are_found(table, tmp_path):
    rows, turned = rows_of()
    output = tmp_path / "doubted.csv"
    printed = doctor(table(rows), "--labels", "-o", output).stdout
    lines = list(csv.DictReader(io.StringIO(output.read_text(encoding="utf-8"))))
    assert sorted(int(line["row"]) for line in lines) == turned
    assert [float(line["margin"]) for line in lines] == sorted((float(line["margin"]) for line in lines), reverse=True)
    first = lines[0]
    text, label = rows[int(first["row"]) - 1]
    assert (first["text"], first["label"]) == (text, label)
    assert first["suggested"] != label
    assert float(first["probability"]) > 0.5
    assert "8 labels of 160 doubted" in printed
    assert f"written to {output}" in printed.replace("\n", "")


def test_json_holds_the_share_with_its_interval(table):
    rows, turned = rows_of()
    found = json.loads(doctor(table(rows), "--labels", "--json", "--folds", 4).stdout)
    rows_found = {doubted["row"] for doubted in found["doubted"]}
    assert len(rows_found & set(turned)) >= 7
    assert len(rows_found - set(turned)) <= 1
    low, high = found["wrong_share_interval"]
    assert low <= found["wrong_share"] <= high
    assert found["judged"] == 160


def test_equal_texts_with_different_labels_are_named(table):
    rows, _ = rows_of(wrong=0)
    rows += [("The room was LOVELY and quick, wasn't it!", "good"), ("the room was lovely and quick, wasn't it", "bad")]
    found = json.loads(doctor(table(rows), "--labels", "--json").stdout)
    (doubted,) = found["doubted"]
    assert (doubted["row"], doubted["same_text_other_label"]) == (162, [161])
    assert found["conflicts"]["evidence"]["texts"] == 1
    assert "rows 161, 162 [bad / good]" in doctor(table(rows), "--labels").stdout.replace("\n", " ")


def test_a_recipe_judges_by_what_it_trains(table, tmp_path):
    rows, turned = rows_of(80, wrong=3)
    own = tmp_path / "tiny.toml"
    own.write_text(
        'name = "tiny"\n[model.input]\nkind = "embedding"\nsize = 8\n[[model.layers]]\nkind = "gru"\nunits = 8\n'
        "[training]\nepochs = 12\nlearning_rate = 0.02\nbatch_size = 8\nthreads = 1\n"
    )
    found = json.loads(doctor(table(rows), "--labels", "--json", "--folds", 2, "--spec", own).stdout)
    assert found["judged_by"] == "2 folds of tiny"
    assert set(turned) <= {doubted["row"] for doubted in found["doubted"]}


def test_label_sets(table, tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(120):
        kinds = [kind for kind in ("good", "bad") if rng.integers(2)]
        words = [str(rng.choice(_WORDS[kind])) for kind in kinds] or ["plain"]
        rows.append((f"the {rng.choice(_THINGS)} {number} was {' and '.join(words)}", "|".join(kinds)))
    rows[10] = ("the garden 10 was lovely and quick", "bad")
    found = json.loads(doctor(table(rows), "--labels", "--json", "--set", "data.label_separator=|").stdout)
    assert found["doubted"][0]["row"] == 11
    assert found["doubted"][0]["label"] == ["bad"]
    assert "good" in found["doubted"][0]["suggested"]


def test_a_text_that_cannot_be_judged_is_left_out(table):
    rows, _ = rows_of(60, wrong=0)
    rows += [("an only one", "lonely"), (" ", "good")]
    found = json.loads(doctor(table(rows), "--labels", "--json").stdout)
    assert (found["texts"], found["judged"]) == (62, 60)


def test_what_cannot_be_done_is_refused(table, tmp_path):
    path = table(rows_of(40, wrong=0)[0])
    with pytest.raises(UsageError, match="--labels needs DATA"):
        doctor("--labels")
    with pytest.raises(UsageError, match="goes without"):
        doctor(path, "--labels", "--quick")
    with pytest.raises(UsageError, match="name a --recipe"):
        doctor(path, "--labels", "--set", "model.units=3")
    with pytest.raises(UsageError, match="-o belongs to --labels"):
        doctor(path, "-o", tmp_path / "x.csv")
    with pytest.raises(UsageError, match="at least 2"):
        doctor(path, "--labels", "--folds", 1)
    with pytest.raises(OutputError, match="is a folder"):
        doctor(path, "--labels", "-o", tmp_path)
    with pytest.raises(DataError, match="takes 20"):
        doctor(table(rows_of(10, wrong=0)[0]), "--labels")
