"""The result of a run in one honest sentence, and what has to be said with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sulsul.evaluation.baselines import MAJORITY_TITLE
from sulsul.evaluation.intervals import Interval
from sulsul.evaluation.result import Evaluation
from sulsul.evaluation.significance import PairedComparison
from sulsul.report.answer import parts_alone, subject
from sulsul.report.record import Comparison, ComparisonRow, RunRecord, Split

Tone = Literal["better", "alike", "worse", "useless", "collapsed", "plain"]

# Half-width of an accuracy interval from which on a result is called rough: ±5 points is 384 texts at 0.5.
_ROUGH = 0.05
_SPLIT_WORDS: dict[Split, str] = {"train": "training", "validation": "validation", "test": "test", "data": "labelled"}


@dataclass(frozen=True)
class Verdict:
    """What a run showed.

    ``tone`` orders it: better than the best linear baseline, alike, worse, useless (not shown to beat always answering
    the same), collapsed (it does always answer the same), or plain where nothing was compared.
    """

    tone: Tone
    sentence: str
    caveats: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The tone in words."""
        return {
            "better": "Better than the baselines",
            "alike": "Not distinguishable from a baseline",
            "worse": "Worse than a baseline",
            "useless": "Not shown to beat one answer for all",
            "collapsed": "Nothing learned",
            "plain": "Result",
        }[self.tone]


def verdict(record: RunRecord) -> Verdict:
    """Judge a record; see :class:`Verdict`."""
    if record.comparison is not None:
        return _of_comparison(record.comparison)
    evaluation, split = record.headline, record.headline_split
    if evaluation is None or split is None:
        return Verdict("plain", "Nothing was evaluated.")
    scored = f"{_accuracy_words(evaluation)} on {_texts(evaluation.n, _SPLIT_WORDS[split])}"
    tone, judgement = _against_baselines(record, evaluation)
    return Verdict(tone, f"{scored}; {judgement}.", tuple(_caveats(record, evaluation, split)))


def _of_comparison(comparison: Comparison) -> Verdict:
    models = [row for row in comparison.rows if row.kind == "model"]
    best = next((row for row in comparison.rows if row.best), None)
    best = best or max(models or comparison.rows, key=lambda row: row.accuracy)
    scored = f"{best.name} is the best model, accuracy {best.accuracy:.3f} ({_range(best.accuracy_interval)})"
    scored += f" on {_texts(comparison.n)}"
    baselines = [row for row in comparison.rows if row.kind == "baseline"]
    caveats = tuple(_comparison_caveats(comparison, models, baselines, best))
    if not baselines:
        return Verdict("plain", f"{scored}; no baseline was computed.", caveats)
    strongest = max(baselines, key=lambda row: row.accuracy)
    reaches = f"the strongest baseline, {strongest.name}, reaches {strongest.accuracy:.3f}"
    majority = next((row for row in baselines if row.name == MAJORITY_TITLE), None)
    if majority is not None and (_alike(majority, best) or majority.accuracy > best.accuracy):
        return Verdict("useless", f"{scored}; always the same answer reaches {majority.accuracy:.3f}.", caveats)
    if _alike(strongest, best):
        return Verdict("alike", f"{scored}; {reaches}: not distinguishable.", caveats)
    if strongest.accuracy > best.accuracy:
        return Verdict("worse", f"{scored}; {reaches}: the baseline is better.", caveats)
    return Verdict("better", f"{scored}; {reaches}: {best.name} is better.", caveats)


def _comparison_caveats(
    comparison: Comparison, models: Sequence[ComparisonRow], baselines: Sequence[ComparisonRow], best: ComparisonRow
) -> list[str]:
    caveats = [comparison.word_order] if comparison.word_order else []
    others = [row for row in models if row is not best]
    if alike := [row.name for row in others if _alike(row, best)]:
        caveats.append(f"Not distinguishable from it: {', '.join(alike)}.")
    if better := [row.name for row in others if row.accuracy > best.accuracy and not _alike(row, best)]:
        caveats.append(f"Better than it on these texts: {', '.join(better)}.")
    majority = next((row for row in baselines if row.name == MAJORITY_TITLE), None)
    if majority is not None:
        useless = [row.name for row in models if row.accuracy_interval[0] <= majority.accuracy]
        if useless:
            caveats.append(f"Not shown to beat always the same answer: {', '.join(useless)}.")
    if len(models) > 1 and comparison.selection:
        caveats.append(f"The best model was chosen {comparison.selection}.")
    return caveats


def _alike(row: ComparisonRow, best: ComparisonRow, alpha: float = 0.05) -> bool:
    """Whether a paired test found no difference; without a test, whether each score lies in the other's interval."""
    p_value = row.p_value if row.p_value is not None else best.p_value
    if p_value is not None:
        return p_value >= alpha
    return _within(row.accuracy, best.accuracy_interval) or _within(best.accuracy, row.accuracy_interval)


def _against_baselines(record: RunRecord, evaluation: Evaluation) -> tuple[Tone, str]:
    if evaluation.collapsed:
        return "collapsed", (
            f"it gives every text the same answer, and always answering “{evaluation.majority_class}” "
            f"reaches {evaluation.majority_accuracy:.3f}: nothing was learned"
        )
    if not _beats_majority(record, evaluation):
        return "useless", (
            f"always answering “{evaluation.majority_class}” reaches {evaluation.majority_accuracy:.3f}: "
            "not shown to be better than that"
        )
    linear = [baseline for baseline in record.baselines if baseline.name != "majority"]
    if not linear:
        return "plain", (
            f"always answering “{evaluation.majority_class}” reaches {evaluation.majority_accuracy:.3f}, "
            "and no linear baseline was computed"
        )
    best = max(linear, key=lambda baseline: baseline.accuracy)
    reaches = f"the strongest baseline ({best.title}) reaches {best.accuracy:.3f} in {_seconds(best.seconds)}"
    paired = next((test for test in record.paired if test.second in {best.name, best.title}), None)
    if paired is not None:
        words = paired.words.replace("not distinguishable on", "not distinguishable from it on")
        return _tone_of(paired), f"{reaches}: {subject(record)} is {words}"
    if _within(best.accuracy, evaluation.accuracy_interval):
        return "alike", f"{reaches}: within the interval, so not distinguishable"
    better = evaluation.accuracy > best.accuracy
    return ("better" if better else "worse"), f"{reaches}: {subject(record)} is {'better' if better else 'worse'}"


def _beats_majority(record: RunRecord, evaluation: Evaluation) -> bool:
    """Whether the model is better than one answer for all: by the paired test, or else by its interval."""
    names = {name for b in record.baselines if b.name == "majority" for name in (b.name, b.title)}
    paired = next((test for test in record.paired if test.second in names), None)
    if paired is not None:
        return _tone_of(paired) == "better"
    return evaluation.accuracy_interval[0] > evaluation.majority_accuracy


def _tone_of(paired: PairedComparison) -> Tone:
    if paired.adjusted_p_value >= 0.05 or paired.difference == 0.0:
        return "alike"
    return "better" if paired.difference > 0 else "worse"


def _caveats(record: RunRecord, evaluation: Evaluation, split: Split) -> list[str]:
    caveats = []
    if record.answer is not None and (alone := parts_alone(record.answer)) is not None:
        caveats.append(alone)
    low, high = evaluation.accuracy_interval
    if (high - low) / 2 >= _ROUGH:
        caveats.append(
            f"With {_texts(evaluation.n)} accuracy is known only to about ±{(high - low) * 50:.0f} points: "
            "use more texts, or folds."
        )
    if split == "validation" and record.training is not None:
        chose = "chose the epoch" if not (record.answer and record.answer.n_fitted) else "chose epoch and calibration"
        caveats.append(f"These validation texts also {chose}, so their score is a little flattered.")
    if split == "train":
        caveats.append("These are the texts it was trained on: the score says nothing about others.")
    unpredicted = [scores.name for scores in evaluation.per_class if scores.support and not scores.predicted]
    if unpredicted and not evaluation.collapsed:
        shown = ", ".join(unpredicted[:5]) + (f" and {len(unpredicted) - 5} more" if len(unpredicted) > 5 else "")
        caveats.append(f"Never predicted: {shown}.")
    if record.data.n_dropped:
        caveats.append(f"{record.data.n_dropped:,} rows of other classes were left out.")
    return caveats


def _accuracy_words(evaluation: Evaluation) -> str:
    name = "Accuracy" if evaluation.task == "single-label" else "Whole label set right"
    return f"{name} {evaluation.accuracy:.3f} ({_range(evaluation.accuracy_interval)})"


def _range(interval: Interval) -> str:
    return f"95 % {interval[0]:.3f}–{interval[1]:.3f}"


def _texts(n: int, kind: str = "") -> str:
    return f"{n:,} {kind} text{'' if n == 1 else 's'}".replace("  ", " ")


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


def _within(value: float, interval: Interval) -> bool:
    return interval[0] <= value <= interval[1]
