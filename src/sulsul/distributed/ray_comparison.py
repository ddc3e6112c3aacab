"""``sulsul compare --ray``: every network, seed and fold is a task of its own."""

import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from sulsul.comparison.design import Design
from sulsul.comparison.running import ComparisonInterrupted, Job, Listener, Runner
from sulsul.comparison.trials import Trial, TrialStore
from sulsul.distributed.ray_cluster import first_line_of_cause
from sulsul.errors import SulsulError, WorkerLostError

MOST_RETRIES = 3
"""How often a task is begun anew whose machine was lost."""

_POLL_INTERVAL_S = 0.5


def spread_trials(ray: ModuleType, runner: Runner, jobs: Sequence[Job]) -> None:
    """Train networks on a cluster and keep their trials in the runner's store; those that are there are left.

    The texts travel with the tasks, so the cluster needs no copy of the data.

    Parameters
    ----------
    ray
        From :func:`sulsul.distributed.ray_cluster.ray_cluster`.
    runner
        Its design, its store, and the listener that hears of every trial.
    jobs
        What to train.

    Raises
    ------
    ComparisonInterrupted
        If a stop was requested; finished trials are kept.
    SulsulError
        As training does.
    """
    todo = {place.path: (job, place) for job in jobs if not (place := runner.place(job)).path.exists()}
    if not todo:
        return
    design = ray.put(replace(runner.design, _prepared=OrderedDict()))
    remote = ray.remote(_run)
    pending = {}
    for job, place in todo.values():
        threads = place.specification.training.threads or 1
        task = remote.options(num_cpus=threads, max_retries=MOST_RETRIES).remote(design, _with_threads(job, threads))
        pending[task] = place
    try:
        while pending:
            if runner.listener.stop_requested():
                raise ComparisonInterrupted
            done, _ = ray.wait(list(pending), timeout=_POLL_INTERVAL_S)
            for task in done:
                place = pending.pop(task)
                trial = _result(ray, task, place.label)
                runner.store.save(place.path, trial)
                runner.listener.on_start(place.label, len(pending) + 1)
                runner.listener.on_trial(place.label, trial)
    finally:
        for task in pending:
            ray.cancel(task, force=True)


def _with_threads(job: Job, threads: int) -> Job:
    """Say how many threads the task has; with None it would take all the machine's cores."""
    specification = job.contender.specification
    training = specification.training.model_copy(update={"threads": threads})
    contender = replace(job.contender, specification=specification.model_copy(update={"training": training}))
    return job._replace(contender=contender)


def _result(ray: ModuleType, task: object, label: str) -> Trial:
    try:
        return Trial.model_validate_json(ray.get(task))
    except ray.exceptions.RayTaskError as error:
        cause = error.cause if isinstance(error.cause, SulsulError) else None
        raise cause or SulsulError(f"{label}: {first_line_of_cause(error)}") from error
    except ray.exceptions.RayError as error:
        raise WorkerLostError(
            f"{label}: {first_line_of_cause(error)}; finished trainings are kept: repeat the command with --resume."
        ) from error


def _run(design: Design, job: Job) -> str:
    with tempfile.TemporaryDirectory(prefix="sulsul-trial-") as folder:
        runner = Runner(design, TrialStore(Path(folder)), Listener())
        return runner.network(*job).model_dump_json()
