import csv
import io
import json

import pytest
from tests.trained import tiny_run
from typer.testing import CliRunner

from sulsul.cli.app import app
from sulsul.errors import OutputError, UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suggest")
    tiny_run(folder)
    return folder


def suggest(*arguments, stdin=None):
    return CliRunner().invoke(app, ["suggest", *map(str, arguments)], input=stdin, catch_exceptions=False)


def test_a_table_goes_to_a_file(run, tmp_path):
    output = tmp_path / "next.csv"
    result = suggest(run / "run", run / "corpus.csv", "-n", 4, "-o", output, "--id", "id")
    assert result.exit_code == 0, result.output
    assert "4 of 80 texts chosen" in result.stderr
    rows = list(csv.DictReader(io.StringIO(output.read_text(encoding="utf-8"))))
    assert len(rows) == 4
    assert rows[0]["id"].startswith("t")
    suggest(run / "run", run / "corpus.csv", "-n", 2, "-o", tmp_path / "next.jsonl")
    assert [json.loads(line)["label"] for line in (tmp_path / "next.jsonl").read_text().splitlines()] == [None, None]


def test_standard_input_goes_to_standard_output(run):
    result = suggest(run / "run", "-", "-n", 1, "--by", "entropy", stdin="좋았다\n나빴다\n")
    assert result.stdout.splitlines()[0] == "row,text,label,predicted,probability,uncertainty"
    assert len(result.stdout.splitlines()) == 2


def test_what_cannot_be_done_is_refused(run, tmp_path):
    with pytest.raises(UsageError, match="choose margin or entropy"):
        suggest(run / "run", run / "corpus.csv", "--by", "luck")
    with pytest.raises(OutputError, match="is a folder"):
        suggest(run / "run", run / "corpus.csv", "-o", tmp_path)
