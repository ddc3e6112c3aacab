"""What every worker but the first does: it trains along, and leaves reading, judging and writing to the first."""

import tempfile
from pathlib import Path

from sulsul.choices import settle
from sulsul.fitting import build_classifier
from sulsul.specification import RunSpecification
from sulsul.streamed import prepare_run
from sulsul.training import MembersListener, train_members
from sulsul.training.workers import Workers


def assist_experiment(
    specification: RunSpecification,
    workers: Workers,
    *,
    resume: bool = False,
    listener: MembersListener | None = None,
    cache: Path | None = None,
) -> None:
    """Train the networks of a specification together with the worker that runs the experiment.

    Parameters
    ----------
    specification
        As the first worker has it; every worker reads and encodes the data itself, or opens the cache.
    workers
        The processes that train together.
    resume
        Whether the first worker resumes; what there is comes from it.
    listener
        Called while training goes on.
    cache
        Where a corpus that does not fit into memory is kept.

    Raises
    ------
    SulsulError
        As reading and training do.
    """
    data = prepare_run(specification, cache=cache)
    specification, _ = settle(specification, data.facts)
    validation = data.splits.get("validation")
    with tempfile.TemporaryDirectory(prefix="sulsul-worker-") as folder:
        train_members(
            lambda member: build_classifier(specification, data, member=member),
            specification.ensemble.members,
            data.train.encoded,
            None if validation is None else validation.encoded,
            specification.training,
            classes=data.labels.classes,
            listener=listener or MembersListener(),
            folder=Path(folder),
            resume=resume,
            workers=workers,
        )
