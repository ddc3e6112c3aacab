"""The benchmark's page and workloads; the measurements themselves are never run as tests."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from sulsul.model import Classifier, DenseLayer, EmbeddingInput, ModelSpecification, OneHotInput, RecurrentLayer

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
MODULES = ("workloads", "environments", "peer_process", "page")


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    monkeypatch.syspath_prepend(FOLDER)
    modules = {name: __import__(name) for name in MODULES}
    yield modules
    for name in MODULES:
        del sys.modules[name]


def timing(median: float) -> dict[str, float]:
    return {"median": median, "low": 0.9 * median, "high": 1.2 * median, "n": 7}


def test_workloads_name_parameters_as_the_classifier_does(benchmarks: dict[str, ModuleType]) -> None:
    for workload in benchmarks["workloads"].WORKLOADS.values():
        size = workload.embedding_size
        classifier = Classifier(
            ModelSpecification(
                input=EmbeddingInput(size=size) if size else OneHotInput(),
                layers=tuple(
                    RecurrentLayer(kind=layer.kind, units=layer.units, bidirectional=layer.bidirectional)
                    for layer in workload.layers
                ),
                pooling="last",
                head=tuple(DenseLayer(units=units, activation=activation) for units, activation in workload.head),
            ),
            vocabulary_size=workload.vocabulary_size,
            n_classes=workload.n_classes,
            backend="torch",
        )
        shapes = {name: tuple(tensor.shape) for name, tensor in classifier.state_dict().items()}
        assert shapes == workload.parameter_shapes()


def test_workload_survives_json(benchmarks: dict[str, ModuleType]) -> None:
    workloads = benchmarks["workloads"]
    for workload in workloads.WORKLOADS.values():
        assert workloads.Workload.from_json(workload.to_json()) == workload


def test_page_compares_with_the_fastest_peer(benchmarks: dict[str, ModuleType]) -> None:
    measured = {
        "timings": {"sulsul": timing(0.01), "keras-jax": timing(0.4), "torch": timing(0.3)},
        "mean_length": 500.0,
        "source": "random ids",
        "versions": {"keras-jax": {"jax": "0.10.2"}},
        "commit": "0123456789",
        "date": "2026-11-21 10:00 UTC",
    }
    page = benchmarks["page"].render_page({"measurements": {"training/s0_lstm/dense": measured}})
    row = next(line for line in page.splitlines() if line.startswith("| `s0_lstm`"))
    assert "| 10 (9–12) | 400 (360–480) | 300 (270–360) | **30×** torch.nn, padded |" in row


def test_page_shows_the_servers_under_load(benchmarks: dict[str, ModuleType]) -> None:
    load = {name: timing(median) for name, median in (("texts_per_s", 1000.0), ("p50_ms", 2.0), ("p99_ms", 5.0))}
    measured = {
        "loads": {"sulsul serve": load},
        "model": "Bidirectional LSTM",
        "source": "texts of 1 to 40 words",
        "versions": {"sulsul serve": {"uvicorn": "0.54.0"}},
        "commit": "0123456789",
        "date": "2026-11-21 10:00 UTC",
    }
    page = benchmarks["page"].render_page({"measurements": {"serving/64": measured, "serving/1": measured}})
    rows = [line for line in page.splitlines() if "sulsul serve" in line]
    assert rows == [f"| {n} | sulsul serve | 1,000 (900–1,200) | 2.0 | 5.0 |" for n in (1, 64)]


def test_page_shows_the_keras_script_on_every_backend(benchmarks: dict[str, ModuleType]) -> None:
    measured = {
        "timings": {"script-torch": timing(0.2), "script-ours": timing(0.01)},
        "inference": {"script-ours": timing(0.001)},
        "mean_length": 180.2,
        "source": "imdb texts, last 240 words",
        "versions": {},
        "commit": "0123456789",
        "date": "2026-11-21 10:00 UTC",
    }
    page = benchmarks["page"].render_page({"measurements": {"keras/practical": measured}})
    rows = [line for line in page.splitlines() if line.startswith("| `practical`")]
    assert rows == [
        "| `practical` | torch, sulsul.keras | 10 (9–12) | 1× | 1,000 |",
        "| `practical` | torch | 200 (180–240) | 20× | – |",
    ]
    assert "imdb texts, last 240 words, 180 in the mean" in page
