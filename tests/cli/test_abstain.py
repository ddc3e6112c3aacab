"""``predict --abstain``: answers below the stored threshold are withheld."""

import io
import json
from pathlib import Path

import polars as pl
import pytest
from tests.cli.test_commands import run
from tests.trained import tiny_run

from sulsul.errors import UsageError
from sulsul.predictions import predict_strings, write_predictions
from sulsul.predictor import Predictor

TEXTS = ["문의가 정말 좋았다", "the staff was rude and slow", "", "처음 보는 말"]


@pytest.fixture(scope="module")
def cautious(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cautious")
    tiny_run(folder, wide={"kind": "linear"}, calibration={"temperature": "validation", "abstain_precision": 0.9})
    return folder / "run"


def test_unsure_answers_have_no_label(
    cautious: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    predictor = Predictor.load(cautious)
    assert predictor.abstention is not None
    expected = predictor.predict(TEXTS)
    texts = [argument for text in TEXTS for argument in ("-s", text)]
    assert run(monkeypatch, "predict", str(cautious), *texts, "--abstain") == 0
    table = pl.read_csv(io.StringIO(capsys.readouterr().out))
    assert table.columns[:3] == ["row", "label", "abstained"]
    assert table["abstained"].to_list() == [answer.abstained for answer in expected]
    unsure = [answer.probability < predictor.abstention.threshold for answer in expected]
    assert table["label"].is_null().to_list() == unsure
    assert True in unsure
    assert run(monkeypatch, "predict", str(cautious), *texts, "--abstain", "--format", "jsonl") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["label"] is None for row in rows] == unsure
    assert [row["abstained"] for row in rows] == unsure


def test_without_the_option_every_text_has_its_label(
    cautious: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "predict", str(cautious), "-s", "처음 보는 말") == 0
    table = pl.read_csv(io.StringIO(capsys.readouterr().out))
    assert "abstained" not in table.columns
    assert table["label"].null_count() == 0


def test_without_a_threshold_it_is_refused(
    finished_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "predict", str(finished_run / "run"), "-s", "x", "--abstain") == 2
    printed = capsys.readouterr()
    assert "calibration.abstain_precision=" in printed.err
    assert printed.out == ""


def test_a_precision_out_of_reach_is_named(
    finished_run: Path,
) -> None:
    predictor = Predictor.load(finished_run / "run")
    wanted = predictor.bundle.specification.with_overrides(["calibration.abstain_precision=0.99"])
    object.__setattr__(predictor.bundle, "specification", wanted)
    with pytest.raises(UsageError, match=r"no confidence reached a precision of 0\.99"):
        write_predictions(
            predict_strings(predictor, TEXTS), predictor, with_ids=False, output=None, format="csv", abstain=True
        )
