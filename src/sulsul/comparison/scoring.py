"""From the answers of all contenders to the rows of a comparison: scores, spread, paired tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sulsul.comparison.design import Design
from sulsul.comparison.trials import Trial
from sulsul.evaluation import holm, macro_f1, macro_f1_interval, mcnemar, wilson_interval, words
from sulsul.evaluation.intervals import Interval
from sulsul.evaluation.repetitions import folds_test, seeds_test
from sulsul.report.record import Comparison, ComparisonRow, Spread

ALPHA = 0.05
_AS_WELL = 0.01
"""A control within so much of the network, and not distinguishable from it, does as well; further off it may not."""
Kind = Literal["model", "control", "baseline"]


@dataclass(frozen=True, eq=False)
class Answers:
    """All that a contender answered, by seed (rows) and judged text, fold after fold.

    Attributes
    ----------
    trials
        Seed by seed, and within a seed fold by fold.
    predictions
        int64 (S, B), or (S, B, C) for label sets.
    correct
        bool (S, B).
    """

    name: str
    kind: Kind
    control_of: str | None
    trials: tuple[tuple[Trial, ...], ...]
    predictions: npt.NDArray[np.int64]
    correct: npt.NDArray[np.bool_]

    @property
    def accuracy(self) -> float:
        """Mean over seeds and texts."""
        return float(self.correct.mean())

    @property
    def validation_accuracy(self) -> float | None:
        """Mean over all trials; None where one has no validation split."""
        values = [trial.validation_accuracy for by_fold in self.trials for trial in by_fold]
        known = [value for value in values if value is not None]
        return fmean(known) if len(known) == len(values) else None

    def accuracies(self, sizes: Sequence[int]) -> npt.NDArray[np.float64]:
        """Return the accuracy of every trial, shape (S, K), given the texts of each fold."""
        ends = np.cumsum(sizes)
        return np.stack([self.correct[:, e - n : e].mean(axis=1) for n, e in zip(sizes, ends, strict=True)], axis=1)


def collect(
    name: str,
    kind: Kind,
    trials: Sequence[Sequence[Trial]],
    truth: npt.NDArray[Any],
    *,
    control_of: str | None = None,
) -> Answers:
    """Put the trials of a contender, by seed and fold, together."""
    predictions = np.stack([np.concatenate([trial.class_ids for trial in by_fold]) for by_fold in trials])
    same = predictions == truth[None]
    correct = same.all(axis=2) if same.ndim == 3 else same
    return Answers(name, kind, control_of, tuple(tuple(by_fold) for by_fold in trials), predictions, correct)


def choose_best(networks: Sequence[Answers], design: Design) -> tuple[Answers, str]:
    """Return the best network and how it was chosen: never by the test texts where there are validation texts."""
    scores = [network.validation_accuracy for network in networks]
    if design.judged == "test" and all(score is not None for score in scores):
        chosen = max(zip(scores, networks, strict=True), key=lambda pair: pair[0] or 0.0)[1]
        return chosen, "by its mean accuracy on the validation texts"
    flattering = "by its accuracy on these very texts, which flatters it"
    return max(networks, key=lambda network: network.accuracy), flattering


def compare_answers(
    answers: Sequence[Answers],
    best: Answers,
    design: Design,
    truth: npt.NDArray[Any],
    *,
    selection: str,
    controlled: Answers | None,
) -> Comparison:
    """Score every contender and test it against the best.

    An interval is that of one training, averaged over the seeds: what another sample of texts could change. What
    another seed could change is the spread. The network ``controlled`` is compared with its own controls: the best,
    unless that is more than a network.
    """
    others = [contender for contender in answers if contender is not best]
    controls = [other for other in answers if controlled is not None and other.control_of == controlled.name]
    pairs = [(best, other) for other in others]
    if controlled is not None and controlled is not best:
        pairs += [(controlled, control) for control in controls]
    p_values = holm([p_value(*pair, design) for pair in pairs]) if pairs else np.empty(0)
    found = {(first.name, second.name): p for (first, second), p in zip(pairs, p_values.tolist(), strict=True)}
    adjusted = {other.name: found[best.name, other.name] for other in others}
    rows = [_row(contender, best, design, truth, adjusted.get(contender.name)) for contender in answers]
    order: Mapping[str, int] = {"model": 0, "control": 1, "baseline": 2}
    rows.sort(key=lambda row: (order[row.kind], -row.accuracy))
    n_seeds = len(best.trials)
    return Comparison(
        rows=tuple(rows),
        n=len(truth),
        design=_design_words(design, n_seeds),
        word_order=None if controlled is None else _word_order(controlled, controls, found, len(truth)),
        selection=selection,
        test=f"{_test_words(design, n_seeds)}, corrected after Holm",
    )


def p_value(first: Answers, second: Answers, design: Design) -> float:
    """Test two contenders on the same texts: over folds, over seeds and texts, or, trained once each, over texts."""
    if design.n_folds is not None:
        sizes = [len(design.judged_rows(fold)) for fold in range(design.n_folds)]
        return folds_test(first.correct, second.correct, sizes)
    if len(first.correct) > 1 or len(second.correct) > 1:
        return seeds_test(first.correct, second.correct)
    return mcnemar(first.correct[0], second.correct[0]).p_value


def _row(
    contender: Answers, best: Answers, design: Design, truth: npt.NDArray[Any], p_adjusted: float | None
) -> ComparisonRow:
    n, n_classes = len(truth), len(design.labels.classes)
    macro = [macro_f1(truth, predicted, n_classes) for predicted in contender.predictions]
    trials = [trial for by_fold in contender.trials for trial in by_fold]
    sizes = [len(design.judged_rows(fold)) for fold in range(len(design.splits))]
    accuracies = contender.accuracies(sizes).ravel().tolist()
    speeds = [trial.docs_per_s for trial in trials if trial.docs_per_s is not None]
    return ComparisonRow(
        name=contender.name,
        kind=contender.kind,
        accuracy=contender.accuracy,
        accuracy_interval=_mean_interval([wilson_interval(int(c.sum()), n) for c in contender.correct]),
        macro_f1=fmean(macro),
        macro_f1_interval=_mean_interval([macro_f1_interval(truth, p, n_classes) for p in contender.predictions]),
        accuracy_spread=_spread(accuracies),
        macro_f1_spread=_spread(macro),
        n_parameters=trials[0].n_parameters,
        seconds=fmean(trial.seconds for trial in trials),
        docs_per_s=fmean(speeds) if speeds else None,
        p_value=p_adjusted,
        verdict=None if p_adjusted is None else words(p_adjusted, n, difference=contender.accuracy - best.accuracy),
        best=contender is best,
    )


def _spread(values: Sequence[float]) -> Spread | None:
    if len(values) < 2:
        return None
    return Spread(
        n=len(values), mean=fmean(values), standard_deviation=stdev(values), low=min(values), high=max(values)
    )


def _mean_interval(intervals: Sequence[Interval]) -> Interval:
    return fmean(low for low, _ in intervals), fmean(high for _, high in intervals)


def _design_words(design: Design, n_seeds: int) -> str:
    seeds = f"{n_seeds} seed{'' if n_seeds == 1 else 's'}"
    if design.n_folds is None:
        return f"{seeds} on one {design.judged} split"
    return f"{design.n_folds} folds, {seeds}"


def _test_words(design: Design, n_seeds: int) -> str:
    if design.n_folds is not None:
        return f"t-test over texts and {design.n_folds} folds"
    return "t-test over texts and seeds" if n_seeds > 1 else "McNemar’s test"


def _word_order(
    network: Answers, controls: Sequence[Answers], p_values: Mapping[tuple[str, str], float], n: int
) -> str | None:
    """Say what the controls of a network tell."""
    bag = next((control for control in controls if control.name.endswith("without recurrence")), None)
    shuffled = next((control for control in controls if control.name.endswith("on shuffled words")), None)
    if bag is None or shuffled is None:
        return None
    lost_recurrence, lost_order = (
        p_values[network.name, control.name] < ALPHA and control.accuracy < network.accuracy
        for control in (bag, shuffled)
    )
    figures = (
        f"{network.name} reaches {network.accuracy:.3f}, without recurrence {bag.accuracy:.3f}, on shuffled words "
    )
    figures += f"{shuffled.accuracy:.3f}"
    if lost_order:
        points = f"on shuffled words {network.name} is worse by {_points(network, shuffled)}"
        rest = f"worse by {_points(network, bag)}" if lost_recurrence else "not distinguishable"
        return f"Word order matters here: {points}; without recurrence it is {rest}."
    if lost_recurrence:
        return f"Recurrence helps here, but not by word order, as far as {n:,} texts can tell: {figures}."
    if min(bag.accuracy, shuffled.accuracy) < network.accuracy - _AS_WELL:
        return f"{n:,} texts do not show that word order matters here: {figures}."
    return f"Word order does not matter here, as far as {n:,} texts can tell: {figures}."


def _points(network: Answers, control: Answers) -> str:
    return f"{(network.accuracy - control.accuracy) * 100:.1f} points"
