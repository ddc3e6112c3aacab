"""The training loop."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from sulsul.batching import EncodedCorpus
from sulsul.model.classifier import Classifier
from sulsul.training.checkpoint import TrainingState
from sulsul.training.checks import check_training_data, check_weights
from sulsul.training.history import EpochRecord
from sulsul.training.processor import training_processor
from sulsul.training.result import Stopped, TrainingResult
from sulsul.training.run import BatchReport, Run
from sulsul.training.settings import TrainingSettings
from sulsul.training.step import StepRunner
from sulsul.training.validation import validation_scores
from sulsul.training.workers import Workers

POLL_INTERVAL_S = 0.02
"""A stop is felt to be at once, and small steps are some four hundred times cheaper than a look at everything."""


def _ignore(report: object) -> None:
    pass


def _never() -> bool:
    return False


def _is_stopping(workers: Workers) -> bool:
    return workers.stopping


def train_classifier(
    classifier: Classifier,
    train: EncodedCorpus,
    validation: EncodedCorpus | None,
    settings: TrainingSettings,
    *,
    classes: Sequence[str],
    on_epoch: Callable[[EpochRecord], object] = _ignore,
    on_batch: Callable[[BatchReport], object] | None = None,
    stop_requested: Callable[[], bool] = _never,
    checkpoint_path: Path | None = None,
    checkpoint_interval_s: float = 300.0,
    poll_interval_s: float = POLL_INTERVAL_S,
    resume_from: TrainingState | None = None,
    step_runner: StepRunner | None = None,
    workers: Workers | None = None,
    unlabelled: EncodedCorpus | None = None,
) -> TrainingResult:
    """Train a classifier in place.

    One seed makes a run repeat to the bit, and a run resumed from its checkpoint ends as if it had never stopped.
    torch's global random state, number of threads and subnormal flag are left as they were.

    Parameters
    ----------
    classifier
        The network with its initial weights.
    train
        Encoded texts with their labels.
    validation
        The same for validation. Without it the training loss decides the best epoch, early stopping and the plateau
        rule; :attr:`TrainingResult.monitored` says so.
    settings
        Optimizer, schedule, stopping rule and seed.
    classes
        Names of the classes by class id.
    on_epoch
        Called after every epoch with its record.
    on_batch
        Called with how far the epoch has come after a step, or after all that ``poll_interval_s`` had time for.
    stop_requested
        Asked before a step, or before all that ``poll_interval_s`` has time for; once it returns true, a checkpoint is
        saved and the run ends as ``interrupted``.
    checkpoint_path
        File to keep the state of the run in: after every epoch, every ``checkpoint_interval_s``, on a stop request.
    checkpoint_interval_s
        Time after which a checkpoint is saved within an epoch too.
    poll_interval_s
        How long native steps may go on without a look at ``stop_requested``, Ctrl-C and the clock; 0: every step.
    resume_from
        The state to go on from, from :func:`sulsul.training.checkpoint.load_checkpoint`.
    step_runner
        What takes the steps; None: what ``settings.backend`` asks for.
    workers
        The processes that train the network together, each on its part of every batch. All call this function with the
        same arguments, but the first alone writes checkpoints; all end with the same weights.
    unlabelled
        Encoded texts without labels, for ``settings.virtual_adversarial``.

    Returns
    -------
    TrainingResult
        The classifier is left in evaluation mode, with the weights of :attr:`TrainingResult.kept_epoch`. After an
        interruption these are the best ones, whatever the settings keep.

    Raises
    ------
    TrainingError
        If there are no texts or no labels, the loss or a weight is not finite, ``resume_from`` is of another run, or a
        worker was lost or differs from the others.
    KernelError
        If the settings ask for the native backend and it cannot run the classifier.
    SpecificationError
        If class weights or warm-up do not fit the data, batch normalisation is to be trained by several workers, or
        adversarial training or unlabelled texts are asked for where they cannot be.
    DataError
        If a token id is outside the classifier's vocabulary.
    OutputError
        If the checkpoint cannot be written; the one before it survives.
    """
    check_training_data(classifier, train, validation, classes)
    with training_processor(threads=settings.threads, seed=settings.seed):
        run = Run(
            classifier,
            train,
            validation,
            settings,
            classes=tuple(classes),
            step_runner=step_runner,
            workers=workers,
            unlabelled=unlabelled,
            checkpoint_path=checkpoint_path,
            checkpoint_interval_s=checkpoint_interval_s,
        )
        if resume_from is not None:
            run.restore(resume_from)
        if workers is not None:
            run.check_workers()
            workers.stop_wanted, workers.stopping = stop_requested, False
            stop_requested = partial(_is_stopping, workers)
        try:
            stopped = run_epochs(run, on_epoch, on_batch, stop_requested, poll_interval_s)
        except KeyboardInterrupt:
            # A step may be half done, so this state is not worth saving: the last checkpoint stands.
            stopped = "interrupted"
        return run.finish(stopped)


def run_epochs(
    run: Run,
    on_epoch: Callable[[EpochRecord], object] = _ignore,
    on_batch: Callable[[BatchReport], object] | None = None,
    stop_requested: Callable[[], bool] = _never,
    poll_interval_s: float = POLL_INTERVAL_S,
) -> Stopped:
    """Train from wherever the run stands until there is a reason to stop, and return the reason."""
    while run.epoch <= run.settings.epochs and not run.stopping.should_stop:
        run.classifier.train()
        batches = run.sampler.epoch(run.epoch)
        while run.batch < len(batches):
            if stop_requested():
                run.save_checkpoint()
                return "interrupted"
            plan = run.plan(batches)
            # Forward, loss, backward, clip and step, in this order; see TorchStep.run. Small steps are taken several
            # at a time: from one to the next, this loop would cost a sixth of the smallest.
            outcomes = run.step_runner.run_for(
                poll_interval_s, plan.corpus, plan.batches, learning_rates=plan.learning_rates, step=run.step
            )
            run.end_steps(plan, outcomes)
            if on_batch is not None:
                on_batch(run.report(len(batches)))
            run.save_checkpoint_if_due()
        check_weights(run.classifier, epoch=run.epoch, learning_rate=run.last_learning_rate)
        if run.workers is not None:
            run.workers.check_same_weights(run.classifier)
        scores = validation_scores(run.classifier, run.validation, run.workers) if run.validation is not None else None
        record = run.end_epoch(scores)
        run.save_checkpoint()
        on_epoch(record)
    return "early" if run.stopping.should_stop else "finished"
