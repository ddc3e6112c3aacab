"""Training and judging one contender once, or reading what it gave before."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sulsul.choices import settle
from sulsul.comparison.contenders import Contender
from sulsul.comparison.design import Design, shuffled
from sulsul.comparison.trials import Answers, Trial, TrialStore
from sulsul.evaluation import linear_baselines, majority, predicted_labels
from sulsul.evaluation.baselines import MAJORITY_TITLE, TITLES, BaselineResult
from sulsul.findings import Finding
from sulsul.fitting import build_classifier, fit_ensemble, fit_linear_baselines, fit_wide_part
from sulsul.preparation import PreparedData
from sulsul.specification import RunSpecification
from sulsul.training import MembersListener, TrainingResult
from sulsul.training.history import EpochRecord
from sulsul.training.processor import training_processor
from sulsul.training.run import BatchReport

BASELINES = {"majority": MAJORITY_TITLE, "word": TITLES["word"], "char": TITLES["char"]}
_NOT_IN_KEY = dict.fromkeys(("name", "description", "notebook", "data", "split"), True)


class ComparisonInterrupted(Exception):  # noqa: N818 (nothing is wrong)
    """A stop was requested; finished trials are kept, and the one that was running left its checkpoint."""


@dataclass(frozen=True)
class Listener:
    """What is called while a comparison runs; each may be left out."""

    on_findings: Callable[[tuple[Finding, ...]], object] = lambda findings: None
    on_start: Callable[[str, int], object] = lambda label, n_left: None
    on_trial: Callable[[str, Trial], object] = lambda label, trial: None
    on_member: Callable[[int, int], object] = lambda member, n_members: None
    on_batch: Callable[[BatchReport], object] = lambda report: None
    on_epoch: Callable[[EpochRecord], object] = lambda record: None
    stop_requested: Callable[[], bool] = lambda: False


class Job(NamedTuple):
    """A network to train once."""

    contender: Contender
    seed: int
    fold: int


class Place(NamedTuple):
    """What a job trains, what it is called, and the file of its trial."""

    specification: RunSpecification
    label: str
    path: Path


@dataclass(frozen=True, eq=False)
class Runner:
    """Runs trials of one design and keeps them in one store."""

    design: Design
    store: TrialStore
    listener: Listener

    def place(self, job: Job) -> Place:
        """Return what is to be trained for a job, and where its trial is kept."""
        contender, seed, fold = job
        specification = contender.specification
        training = specification.training.model_copy(update={"seed": seed})
        specification = specification.model_copy(update={"training": training})
        settings = specification.model_dump(mode="json", exclude=_NOT_IN_KEY)
        del settings["training"]["threads"]  # decides how, not what, is computed
        key = {"settings": settings, "shuffled": contender.shuffled, "data": self.design.digest(fold)}
        label = self._label(contender.name, seed, fold)
        return Place(specification, label, self.store.path(label, key))

    def network(self, contender: Contender, seed: int, fold: int, *, n_left: int = 0) -> Trial:
        """Train and judge a network, or all that answers in a run of a recipe.

        Raises
        ------
        ComparisonInterrupted
            If a stop was requested.
        SulsulError
            As building and training a classifier do.
        """
        specification, label, path = self.place(Job(contender, seed, fold))
        if (kept := self.store.load(path)) is not None:
            return kept.model_copy(update={"contender": contender.name})
        self.listener.on_start(label, n_left)
        data = self.design.prepare(specification, fold)
        specification, _ = settle(specification, data.facts)
        if contender.shuffled:
            data = shuffled(data, seed)
        unfinished = path.with_suffix(".unfinished")
        trial = self._train(contender.name, specification, data, fold, unfinished)
        self.store.save(path, trial)
        shutil.rmtree(unfinished)
        self.listener.on_trial(label, trial)
        return trial

    def baseline(self, name: str, specification: RunSpecification, fold: int, *, n_left: int = 0) -> Trial:
        """Fit and judge a baseline of :data:`BASELINES`.

        Raises
        ------
        ComparisonInterrupted
            If a stop was requested.
        LabelError
            If the training labels hold fewer than two classes.
        """
        seed = specification.training.seed
        label = self._label(BASELINES[name], seed, fold)
        path = self.store.path(label, {"baseline": name, "seed": seed, "data": self.design.digest(fold)})
        if (kept := self.store.load(path)) is not None:
            return kept
        if self.listener.stop_requested():
            raise ComparisonInterrupted
        self.listener.on_start(label, n_left)
        result = _fit_baseline(name, self.design, fold, seed)
        trial = Trial(
            contender=BASELINES[name],
            seed=seed,
            fold=fold,
            predictions=_answers(result.predictions),
            seconds=result.scores.seconds,
        )
        self.store.save(path, trial)
        self.listener.on_trial(label, trial)
        return trial

    def _train(self, name: str, specification: RunSpecification, data: PreparedData, fold: int, folder: Path) -> Trial:
        """Train, with the state of an interrupted training in ``folder``, and judge."""
        folder.mkdir(exist_ok=True)
        linear = fit_linear_baselines(specification, data) if specification.wide.kind == "linear" else ()
        wide = fit_wide_part(specification, data, linear)
        fitted = fit_ensemble(
            specification,
            data,
            lambda member: build_classifier(specification, data, member=member),
            listener=self._members_listener(),
            wide=wide,
            folder=folder,
            resume=True,
        )
        if fitted.stopped == "interrupted":
            raise ComparisonInterrupted
        judged, texts = data.splits[self.design.judged].encoded, data.texts(self.design.judged)
        with training_processor(threads=specification.training.threads, seed=specification.training.seed):
            started = time.perf_counter()
            logits = fitted.ensemble.logits(judged, texts)
            seconds = time.perf_counter() - started
        probabilities = fitted.ensemble.probabilities(logits.astype(np.float64))
        first, members = fitted.results[0], fitted.ensemble.members
        return Trial(
            contender=name,
            seed=specification.training.seed,
            fold=fold,
            predictions=_answers(predicted_labels(probabilities, multi_label=data.labels.multi_label)),
            seconds=sum(result.seconds for result in fitted.results)
            + sum(model.seconds for model in linear)
            + (wide.seconds if wide else 0.0),
            validation_accuracy=_validation_accuracy(first),
            n_parameters=sum(tensor.numel() for member in members for tensor in member.state_dict().values()),
            docs_per_s=len(judged) / seconds if seconds else None,
            epochs=len(first.history),
            kept_epoch=first.kept_epoch,
        )

    def _members_listener(self) -> MembersListener:
        listener = self.listener
        return MembersListener(listener.on_member, listener.on_epoch, listener.on_batch, listener.stop_requested)

    def _label(self, name: str, seed: int, fold: int) -> str:
        return f"{name}, seed {seed}" + (f", fold {fold + 1}" if self.design.n_folds else "")


def _fit_baseline(name: str, design: Design, fold: int, seed: int) -> BaselineResult:
    splits, labels = design.splits[fold], design.labels
    train, judged = design.corpus.select(splits.train), design.corpus.select(design.judged_rows(fold))
    assert train.labels is not None
    assert judged.labels is not None
    train_ids: Any = labels.encode(train.labels, train.rows, source=train.source)
    judged_ids: Any = labels.encode(judged.labels, judged.rows, source=judged.source)
    n_classes = len(labels.classes)
    if name == "majority":
        return majority(train_ids, judged_ids, n_classes=n_classes)
    unit: Any = name
    (result,) = linear_baselines(
        train.texts, train_ids, judged.texts, judged_ids, n_classes=n_classes, units=(unit,), seed=seed
    )
    return result


def _validation_accuracy(result: TrainingResult) -> float | None:
    return result.history[result.kept_epoch - 1].val_accuracy if result.kept_epoch else None


def _answers(predictions: np.ndarray[Any, np.dtype[np.int64]]) -> Answers:
    values: list[Any] = predictions.tolist()
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)
