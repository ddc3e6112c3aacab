"""Training, prediction and comparison on a local Ray cluster of two workers; skipped where Ray is absent."""

import gc
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import psutil
import pytest
from safetensors.numpy import load_file
from tests.tolerances import PARALLEL_TRAJECTORY
from tests.trained import tiny_specification, write_corpus

from sulsul.comparison import ComparisonInterrupted, Listener, build_contenders, run_comparison
from sulsul.corpora import DataSettings
from sulsul.distributed.ray_cluster import ray_cluster
from sulsul.errors import DataError, UsageError
from sulsul.experiment import run_experiment
from sulsul.predictions import predict_source
from sulsul.predictor import Predictor
from sulsul.training.history import EpochRecord

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("default"),  # of Ray itself
]


@pytest.fixture(scope="module")
def ray() -> Iterator[ModuleType]:
    import ray

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    options = {"num_cpus": 2, "include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    try:
        ray.init(address="local", **options)
    except Exception:  # it gives its processes 30 s to start, too few on a busy machine
        ray.shutdown()
        ray.init(address="local", **options)
    with ray_cluster("local") as connected:  # finds the one that is there
        yield connected
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Ray does not wait for the processes it ends
        ray.shutdown()
        gc.collect()


def weights(folder: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = load_file(folder / "model.safetensors")
    return found


def workers_of_the_cluster() -> list[psutil.Process]:
    """Return the processes in which the worker function runs."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "RayTrainWorker" in " ".join(child.cmdline())]


def test_training_survives_a_killed_worker_and_ends_as_in_one_process(ray: ModuleType, tmp_path: Path) -> None:
    from sulsul.distributed.ray_training import train_on_ray

    source = write_corpus(tmp_path / "corpus.csv", copies=40)
    specification = tiny_specification(source, training={"epochs": 60, "patience": None})
    epochs: list[int] = []

    def on_epoch(record: EpochRecord) -> None:
        if not epochs:
            workers_of_the_cluster()[-1].send_signal(signal.SIGKILL)
        epochs.append(record.epoch)

    train_on_ray(
        ray,
        specification,
        tmp_path / "ray",
        command="sulsul train",
        n_workers=2,
        baselines=False,
        on_epoch=on_epoch,
    )
    assert sorted(set(epochs)) == list(range(1, 61))  # one may come twice: it was not kept before the loss
    run_experiment(specification, tmp_path / "one", command="sulsul train", baselines=False)
    expected = weights(tmp_path / "one")
    for name, array in weights(tmp_path / "ray").items():
        assert abs(array - expected[name]).max() < PARALLEL_TRAJECTORY, name
    names = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("one", "ray")]
    assert names[0] == names[1]
    assert Predictor.load(tmp_path / "ray").classes == ("bad", "good")


def test_missing_data_are_refused_before_workers_are_started(ray: ModuleType, tmp_path: Path) -> None:
    from sulsul.distributed.ray_training import train_on_ray

    specification = tiny_specification(tmp_path / "missing.csv")
    with pytest.raises(DataError, match=r"there is no such data file"):
        train_on_ray(ray, specification, tmp_path / "run", command="sulsul train", n_workers=1)
    assert not (tmp_path / "run").exists()


def test_predictions_are_those_of_one_process(ray: ModuleType, tmp_path: Path) -> None:
    from sulsul.distributed.ray_prediction import predict_on_ray

    source = write_corpus(tmp_path / "corpus.csv")
    run_experiment(tiny_specification(source), tmp_path / "run", command="sulsul train", baselines=False)
    table = pl.read_csv(source).with_columns(id=pl.when(pl.int_range(pl.len()) == 5).then(None).otherwise("id"))
    for number, rows in enumerate((30, 0, 50)):
        table.slice(number * 15, rows).write_parquet(tmp_path / f"part-{number}.parquet")
    settings = DataSettings(source=str(tmp_path / "part-*.parquet"), text=("text",), id="id")
    predictor = Predictor.load(tmp_path / "run")
    expected = list(predict_source(predictor, settings))
    assert list(predict_on_ray(ray, predictor, tmp_path / "run", settings)) == expected
    with pytest.raises(UsageError, match="reads Parquet"):
        next(predict_on_ray(ray, predictor, tmp_path / "run", DataSettings(source=str(source))))


def test_a_comparison_has_the_rows_of_one_process(ray: ModuleType, tmp_path: Path) -> None:
    from functools import partial

    from sulsul.distributed.ray_comparison import spread_trials

    source = write_corpus(tmp_path / "corpus.csv")
    contenders = build_contenders([tiny_specification(source)], ("gru", "simple-rnn"))
    heard: list[str] = []
    listener = Listener(on_trial=lambda label, trial: heard.append(label))
    records = [
        run_comparison(
            contenders, tmp_path / name, command="", seeds=2, controls="best", listener=listener, spread=spread
        )
        for name, spread in {"one": None, "ray": partial(spread_trials, ray)}.items()
    ]
    one, other = (record.comparison for record in records)
    assert one is not None
    assert other is not None
    figures = [[(row.name, row.accuracy, row.macro_f1, row.p_value) for row in found.rows] for found in (one, other)]
    assert figures[0] == figures[1]
    assert len(heard) == 2 * len(set(heard))
    names = [sorted(path.name for path in (tmp_path / name / "trials").iterdir()) for name in ("one", "ray")]
    assert names[0] == names[1]
    with pytest.raises(ComparisonInterrupted):
        run_comparison(
            contenders,
            tmp_path / "stopped",
            command="",
            listener=Listener(stop_requested=lambda: (tmp_path / "stopped").exists()),
            spread=partial(spread_trials, ray),
        )


def test_without_ray_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"sulsul\[ray\]"), ray_cluster("auto"):
        pass
