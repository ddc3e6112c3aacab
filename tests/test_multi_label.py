"""Label sets from the table to the server: every command a user can give."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sulsul.cli.app import app
from sulsul.predictor import Predictor

_WORDS = {
    "color": ("red", "blue", "green"),
    "taste": ("sweet", "sour", "salty"),
    "place": ("harbour", "station", "hill"),
}
_SMALL = (
    "model.input.size=8", "model.units=8", "training.epochs=8", "training.learning_rate=0.03", "training.threads=1",
    "training.batch_size=8", "text.ngrams=[1, 3]", "ensemble.members=2", "wide.kind=linear",
    "calibration.temperature=validation", "calibration.abstain_precision=0.6",
)  # fmt: skip


def write_sets(path: Path, n: int = 160, seed: int = 0) -> Path:
    """Write texts with one word for each of their labels; some have none."""
    rng = np.random.default_rng(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(n):
            names = [name for name in _WORDS if rng.integers(2)]
            words = [str(rng.choice(_WORDS[name])) for name in names]
            rng.shuffle(words)
            writer.writerow([f"number {number} has {' and '.join(words) or 'nothing'} in it", "|".join(names)])
    return path


def sulsul(*arguments: object, stdin: str | None = None, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    write_sets(folder / "data.csv")
    settings = [part for setting in _SMALL for part in ("--set", setting)]
    printed = sulsul("train", folder / "data.csv", "--label-separator", "|", "-o", folder / "run", *settings)
    assert "taste" in printed
    return folder


def test_training_learns_and_reports(folder: Path) -> None:
    record = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert record["evaluations"]["test"]["task"] == "multi-label"
    assert record["evaluations"]["test"]["macro_f1"] > 0.9
    assert {part["kind"] for part in record["answer"]["parts"]} == {"member", "recurrent", "linear", "whole"}
    assert record["answer"]["n_fitted"] == 15
    assert record["answer"]["abstention"]["found_on"] == 15
    assert len(record["baselines"]) == 3
    report = (folder / "run" / "report.html").read_text(encoding="utf-8")
    assert "taste" in report


def test_predictions_are_sets(folder: Path) -> None:
    lines = sulsul("predict", folder / "run", "-s", "a sour hill", "-s", "nothing", "--abstain").splitlines()
    rows = list(csv.DictReader(lines))
    assert list(rows[0]) == ["row", "labels", "abstained", "probability", "p(color)", "p(place)", "p(taste)"]
    assert rows[0]["labels"] in ("place|taste", "")
    assert (rows[0]["labels"] == "") == (rows[0]["abstained"] == "true")
    answer = json.loads(sulsul("predict", folder / "run", "-s", "a sour hill", "--format", "jsonl"))
    assert answer["labels"] == ["place", "taste"]


def test_evaluate_reads_sets_as_training_did(folder: Path, tmp_path: Path) -> None:
    other = write_sets(tmp_path / "other.csv", 40, seed=1)
    printed = sulsul("evaluate", folder / "run", other, "-o", tmp_path / "evaluation")
    assert "taste" in printed
    metrics = json.loads((tmp_path / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["evaluations"]["data"]["accuracy"] > 0.7


@pytest.mark.parametrize("method", ["gradient", "occlusion"])
def test_explanations_speak_of_a_label(folder: Path, method: str) -> None:
    printed = sulsul(
        "explain", folder / "run", "a sour hill", "--method", method, "--target", "taste", "--format", "json"
    )
    assert "taste" in json.dumps(json.loads(printed))


def test_compare_tests_whole_sets(folder: Path) -> None:
    settings = [part for setting in _SMALL[:7] for part in ("--set", setting)]
    printed = sulsul(
        "compare", folder / "data.csv", "--label-separator", "|", "--models", "gru", "--seeds", 1, "-o",
        folder / "comparison", *settings, "--set", "training.epochs=1",
    )  # fmt: skip
    assert "TF-IDF" in printed


def test_the_doctor_examines_data_run_and_labels(folder: Path) -> None:
    data = json.loads(sulsul("doctor", folder / "data.csv", "--label-separator", "|", "--json"))
    assert "conflicting-labels" in data["checked"]
    run = json.loads(sulsul("doctor", folder / "run", "--json"))
    assert "history" not in {finding["check"] for finding in run["findings"] if finding["severity"] == "error"}
    labels = json.loads(sulsul("doctor", folder / "data.csv", "--label-separator", "|", "--labels", "--json"))
    assert labels["judged"] == 160


def test_equal_texts_with_other_sets_are_found(tmp_path: Path) -> None:
    path = write_sets(tmp_path / "data.csv", 60)
    with path.open("a", encoding="utf-8") as file:
        file.write("a sweet hill beside the big station,taste|place\n")
        file.write("A sweet hill beside the big station!,place|taste\n")
        file.write("a sweet hill beside the big station.,taste\n")
    found = json.loads(sulsul("doctor", path, "--label-separator", "|", "--json", "--quick"))
    (conflict,) = [finding for finding in found["findings"] if finding["check"] == "conflicting-labels"]
    assert conflict["evidence"]["texts"] == 1
    assert "[place + taste / taste]" in conflict["evidence"]["examples"][0]


def test_rare_labels_are_found(tmp_path: Path) -> None:
    path = write_sets(tmp_path / "data.csv", 120)
    with path.open("a", encoding="utf-8") as file:
        file.write("an odd one,odd|taste\nanother odd one,odd\n")
    found = json.loads(sulsul("doctor", path, "--label-separator", "|", "--json", "--quick"))
    (imbalance,) = [finding for finding in found["findings"] if finding["check"] == "class-imbalance"]
    assert imbalance["evidence"]["rare_classes"] == {"odd": 2}


def test_suggestions_and_smaller_copies(folder: Path, tmp_path: Path) -> None:
    lines = sulsul("suggest", folder / "run", folder / "data.csv", "-n", 3).splitlines()
    assert lines[0] == "row,text,label,predicted_labels,probability,uncertainty"
    printed = sulsul("shrink", folder / "run", "-o", tmp_path / "small", "--size", "80KB")
    assert "Validation (" in printed
    small = Predictor.load(tmp_path / "small")
    assert small.predict(["a sour hill"])[0].labels == ("place", "taste")


def test_the_exported_graph_gives_the_same_probabilities(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    sulsul("export", folder / "run", folder / "data.csv", "--onnx", tmp_path / "model.onnx", "--recurrent-only")
    assert (tmp_path / "model.onnx").stat().st_size > 0


def test_the_server_answers_with_sets(folder: Path) -> None:
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient

    from sulsul.serving.application import create_application
    from sulsul.serving.settings import ServingSettings

    application = create_application(Predictor.load(folder / "run"), ServingSettings())
    with TestClient(application, base_url="http://localhost") as client:
        answer = client.post("/predict", json={"texts": ["a sour hill", ""]}).json()
        explained = client.post("/explain", json={"text": "a sour hill"}).json()
    assert json.dumps(answer).count("labels") >= 2
    assert explained["label"] in ("place", "taste")
