"""``sulsul train --ray``: the same workers on a Ray cluster, which replaces those that are lost."""

import os
import tempfile
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from sulsul.bundle import CONFIG_FILE
from sulsul.corpora.sources import resolve_source
from sulsul.distributed.assisting import assist_experiment
from sulsul.distributed.folder_state import Files, read_folder, write_folder
from sulsul.distributed.ray_cluster import n_cpus
from sulsul.distributed.ray_keeper import Keeper, News
from sulsul.errors import SulsulError, WorkerLostError
from sulsul.experiment import Listener, check_folder, run_experiment
from sulsul.specification import RunSpecification
from sulsul.training import MembersListener
from sulsul.training.checkpoint import CHECKPOINT_NAME
from sulsul.training.history import EpochRecord
from sulsul.training.workers import TIMEOUT, Workers

MOST_FAILURES = 8
"""How often lost workers are replaced before the run gives up; its last state can be resumed even then."""

_POLL_INTERVAL_S = 0.2


@dataclass(frozen=True)
class RayJob:
    """What a worker is told: the same for all."""

    specification: RunSpecification
    command: str
    baselines: bool
    resume: bool
    folder: str
    keeper: Any


def train_on_ray(
    ray: ModuleType,
    specification: RunSpecification,
    folder: Path,
    *,
    command: str,
    n_workers: int | None = None,
    baselines: bool = True,
    resume: bool = False,
    on_epoch: Callable[[EpochRecord], object] = lambda record: None,
    stop_requested: Callable[[], bool] = lambda: False,
) -> None:
    """Run a specification on a cluster and leave its folder here.

    A worker that is lost costs at most an epoch: Ray starts all of them anew, as many as there then is room for, and
    they go on from the state after the last epoch.

    Parameters
    ----------
    ray
        From :func:`sulsul.distributed.ray_cluster.ray_cluster`.
    specification
        Its source must mean the same file here and on every machine of the cluster; a relative path is one from here.
    folder
        As for :func:`sulsul.experiment.run_experiment`; it is written on this machine alone.
    command
        The command that repeats the run, for the report.
    n_workers
        At most so many; None: a worker for each core of the cluster.
    baselines, resume
        As for :func:`sulsul.experiment.run_experiment`.
    on_epoch
        Called here with the record of every epoch.
    stop_requested
        Asked here, several times a second.

    Raises
    ------
    WorkerLostError
        If workers were lost too often.
    SulsulError
        As reading, training and writing do.
    """
    from ray.train.torch import TorchTrainer

    check_folder(folder, resume=resume)
    resolve_source(specification.data)  # what is missing here is not worth starting workers for
    threads = specification.training.threads or 1
    n_workers = n_workers or max(1, n_cpus(ray) // threads)
    keeper = ray.remote(Keeper).options(num_cpus=0).remote(read_folder(folder) if resume else {})
    job = RayJob(specification, command, baselines, resume, str(Path.cwd()), keeper)
    with tempfile.TemporaryDirectory(prefix="sulsul-ray-") as storage:
        trainer = TorchTrainer(_work, train_loop_config={"job": job}, **_configuration(n_workers, threads, storage))
        fitting = _Fitting(trainer)
        fitting.start()
        while fitting.is_alive():
            fitting.join(_POLL_INTERVAL_S)
            if stop_requested():
                ray.get(keeper.ask_to_stop.remote())
            _take(ray.get(keeper.take_news.remote()), folder, on_epoch)
    _take(ray.get(keeper.take_news.remote()), folder, on_epoch)
    refusal = ray.get(keeper.refusal.remote())
    if refusal is not None:
        raise refusal
    if fitting.error is not None:
        raise WorkerLostError(
            f"the cluster gave up after {MOST_FAILURES} losses ({fitting.error}); repeat the command with --resume."
        )


def _configuration(n_workers: int, threads: int, storage: str) -> dict[str, Any]:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig

    return {
        # From 1 on: with a machine less it goes on with the workers that are left.
        "scaling_config": ScalingConfig(num_workers=(1, n_workers), resources_per_worker={"CPU": threads}),
        "run_config": RunConfig(storage_path=storage, failure_config=FailureConfig(max_failures=MOST_FAILURES)),
        "torch_config": TorchConfig(backend="gloo", timeout_s=int(TIMEOUT.total_seconds())),
    }


class _Fitting(threading.Thread):
    """Waits for the cluster, so that the main thread can listen to it and to signals."""

    def __init__(self, trainer: Any) -> None:
        super().__init__(daemon=True)
        self._trainer = trainer
        self.error: str | None = None

    def run(self) -> None:
        from ray.train import TrainingFailedError

        try:
            self._trainer.fit()
        except TrainingFailedError as error:
            lines = str(error).strip().splitlines()
            self.error = lines[-1] if lines else type(error).__name__


def _take(news: News, folder: Path, on_epoch: Callable[[EpochRecord], object]) -> None:
    if news.files is not None:
        write_folder(folder, news.files)
    for record in news.epochs:
        on_epoch(record)


def _work(config: dict[str, Any]) -> None:
    """Be one of the workers; the first leaves the folder with the keeper."""
    import ray
    import torch.distributed as dist

    job: RayJob = config["job"]
    if Path(job.folder).is_dir():
        os.chdir(job.folder)
    if ray.get(job.keeper.refusal.remote()) is not None or _is_finished(ray.get(job.keeper.files.remote())):
        return
    workers = Workers(dist.group.WORLD)  # type: ignore[arg-type]
    try:
        with _StopAsked(ray, job.keeper) as stop:
            if workers.is_first:
                _lead(ray, job, workers, stop)
            else:
                files = ray.get(job.keeper.files.remote())
                listener = MembersListener(stop_requested=stop)
                assist_experiment(job.specification, workers, resume=bool(files), listener=listener)
    except WorkerLostError:
        if ray.get(job.keeper.refusal.remote()) is None:
            raise  # Ray starts all workers anew
    except SulsulError as error:
        ray.get(job.keeper.refuse.remote(error))
        # The others must not wait for this worker: its connections close when nothing refers to the group any more.
        traceback.clear_frames(error.__traceback__)
        del workers
        dist.destroy_process_group()


def _is_finished(files: Files) -> bool:
    """Return whether a worker was lost when there was nothing left to do."""
    return CONFIG_FILE in files and CHECKPOINT_NAME not in files


def _lead(ray: ModuleType, job: RayJob, workers: Workers, stop: Callable[[], bool]) -> None:
    with tempfile.TemporaryDirectory(prefix="sulsul-worker-") as scratch:
        folder = Path(scratch) / "run"
        files = ray.get(job.keeper.files.remote())
        if files:
            write_folder(folder, files)

        def keep(record: EpochRecord | None) -> None:
            ray.get(job.keeper.keep.remote(read_folder(folder), record))

        try:
            run_experiment(
                job.specification,
                folder,
                command=job.command,
                baselines=job.baselines,
                resume=bool(files),
                listener=Listener(on_epoch=keep, stop_requested=stop),
                workers=workers,
            )
        finally:
            if folder.exists():
                keep(None)


class _StopAsked:
    """Knows whether the keeper was told to stop, without asking it at every step."""

    def __init__(self, ray: ModuleType, keeper: Any) -> None:
        self._ray = ray
        self._keeper = keeper
        self._stopping = False
        self._left = threading.Event()

    def __call__(self) -> bool:
        return self._stopping

    def __enter__(self) -> "_StopAsked":
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._left.set()

    def _watch(self) -> None:
        while not self._stopping and not self._left.wait(_POLL_INTERVAL_S):
            self._stopping = bool(self._ray.get(self._keeper.stop_requested.remote()))
