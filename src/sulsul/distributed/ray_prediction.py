"""``sulsul predict --ray``: the files of a source, each read and classified somewhere on a cluster."""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl

from sulsul.corpora import DataSettings, iter_texts
from sulsul.corpora.reading import choose_table_columns, open_table
from sulsul.corpora.sources import resolve_source
from sulsul.distributed.folder_state import read_folder, write_folder
from sulsul.distributed.ray_cluster import first_line_of_cause, n_cpus
from sulsul.errors import DataError, SulsulError, UsageError
from sulsul.predictions import PredictedRow
from sulsul.predictor import Predictor

_BLOCK_ROWS = 4096


def predict_on_ray(
    ray: ModuleType, predictor: Predictor, run: Path, settings: DataSettings, *, n_workers: int | None = None
) -> Iterator[PredictedRow]:
    """Classify every text of some Parquet files on a cluster; rows come in order, as from one process.

    Parameters
    ----------
    ray
        From :func:`sulsul.distributed.ray_cluster.ray_cluster`.
    predictor
        The classifier, loaded here: it makes answers of probabilities.
    run
        Its folder, which travels to the workers.
    settings
        The source; every machine of the cluster must see its files under the same names.
    n_workers
        At most so many; None: a worker for each core of the cluster.

    Raises
    ------
    UsageError
        If the source is no Parquet.
    DataError
        As reading does, possibly after earlier rows were yielded.
    SulsulError
        If the cluster gives up.
    """
    items, chosen = _files_to_read(settings)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells of every step of its plan
    most = min(n_workers or n_cpus(ray), len(items))
    predicted = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        _FilePredictor,
        batch_size=1,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most),
        num_cpus=1,
        fn_constructor_kwargs={"files": ray.put(read_folder(run)), "settings": chosen},
    )
    try:
        for block in predicted.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=1):
            yield from _rows(block, predictor, with_ids=chosen.id is not None)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause if isinstance(error.cause, SulsulError) else None
        raise cause or SulsulError(f"{settings.source}: {first_line_of_cause(error)}") from error
    except ray.exceptions.RayError as error:
        raise SulsulError(f"{settings.source}: {first_line_of_cause(error)}") from error


def _files_to_read(settings: DataSettings) -> tuple[list[dict[str, Any]], DataSettings]:
    """Return the files with the number of rows before each, and the columns as the first file decides them for all."""
    source = resolve_source(settings)
    if source.format != "parquet":
        raise UsageError(f"--ray reads Parquet files, and {source.name} is {source.format}; leave --ray out.")
    if settings.limit is not None:
        raise UsageError("--ray reads whole files; leave the limit out.")
    paths = [path if source.remote else str(Path(path).resolve()) for path in source.paths]
    with open_table(source, source.paths[0], settings) as table:
        choice = choose_table_columns(table, settings, labels="ignored")
    counts = [pl.scan_parquet(path).select(pl.len()).collect().item() for path in paths]
    if not sum(counts):
        raise DataError(f"{source.name} has no rows.")
    before = accumulate(counts, initial=0)
    items = [{"path": path, "before": n} for path, n, count in zip(paths, before, counts, strict=False) if count]
    return items, settings.model_copy(update={"text": choice.text, "id": choice.id, "format": "parquet"})


class _FilePredictor:
    """An actor with a classifier of its own; ``files`` refers to those of the classifier's folder."""

    def __init__(self, files: Any, settings: DataSettings) -> None:
        import ray

        from sulsul.kernels import native

        native.set_thread_count(1)
        with tempfile.TemporaryDirectory(prefix="sulsul-worker-") as folder:
            write_folder(Path(folder), ray.get(files))
            self._predictor = Predictor.load(folder)
        self._settings = settings

    def __call__(self, item: Mapping[str, np.ndarray[Any, Any]]) -> Iterator[dict[str, Any]]:
        path, before = str(item["path"][0]), int(item["before"][0])
        for corpus in iter_texts(self._settings.model_copy(update={"source": path}), _BLOCK_ROWS):
            identifiers = [""] * len(corpus) if corpus.ids is None else corpus.ids.to_list()
            yield {
                "row": corpus.rows + before,
                "id": np.array(identifiers, dtype=object),
                "probabilities": self._predictor.probabilities(corpus.texts.to_list()),
            }


def _rows(block: Mapping[str, Any], predictor: Predictor, *, with_ids: bool) -> Iterator[PredictedRow]:
    probabilities = np.stack(list(block["probabilities"]))
    answers = predictor.predictions_of_probabilities(probabilities)
    for row, identifier, answer in zip(block["row"].tolist(), block["id"].tolist(), answers, strict=True):
        yield PredictedRow(row, identifier if with_ids else None, answer)
