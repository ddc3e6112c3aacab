"""A network against a linear model of a second, and one run against chance."""

from collections.abc import Iterator

from sulsul.doctor.quoting import count
from sulsul.doctor.run.evidence import RunEvidence
from sulsul.evaluation.baselines import BaselineScores
from sulsul.evaluation.significance import PairedComparison
from sulsul.findings import Finding
from sulsul.report.answer import subject

_WITHIN_SEEDS = 0.02


def find_baseline_ahead(evidence: RunEvidence) -> Iterator[Finding]:
    """Find a run without a linear baseline, or not better than it."""
    evaluation = evidence.headline
    if evaluation is None or evidence.record.kind == "compare":
        return
    best = _best_linear(evidence)
    if best is None:
        yield Finding(
            check="linear-baseline",
            severity="note",
            what="No linear baseline was computed.",
            why="Without it nobody can say whether a network was needed: on short texts a linear model often wins.",
            remedy="Train without --no-baselines; it takes seconds.",
        )
        return
    paired = _paired(evidence, best)
    gap = evaluation.accuracy - best.accuracy
    worse = paired.adjusted_p_value < 0.05 and gap < 0 if paired else best.accuracy > evaluation.accuracy_interval[1]
    better = paired.adjusted_p_value < 0.05 and gap > 0 if paired else best.accuracy < evaluation.accuracy_interval[0]
    if better:
        return
    said = "is worse than" if worse else "is not distinguishable from"
    name = subject(evidence.record)
    yield Finding(
        check="linear-baseline",
        severity="warning" if worse else "note",
        what=f"{name[0].upper()}{name[1:]} {said} a linear model ({best.title}): "
        f"accuracy {evaluation.accuracy:.3f} against {best.accuracy:.3f} on {count(evaluation.n, 'text')}.",
        why=f"That model takes {best.seconds:.1f} s to train, needs no settings, and is easier to explain.",
        remedy="Use the linear model, or find out what holds the network back: see the other findings, and compare "
        "networks with sulsul compare DATA.",
        evidence={
            "accuracy": round(evaluation.accuracy, 4),
            "baseline_accuracy": round(best.accuracy, 4),
            "macro_f1": round(evaluation.macro_f1, 4),
            "baseline_macro_f1": round(best.macro_f1, 4),
            **({"adjusted_p_value": round(paired.adjusted_p_value, 5)} if paired else {}),
        },
    )


def find_single_seed(evidence: RunEvidence) -> Iterator[Finding]:
    """Find a lead over the baseline that another seed could turn round."""
    evaluation, best = evidence.headline, _best_linear(evidence)
    if evaluation is None or best is None or evidence.record.kind != "train":
        return
    gap = evaluation.accuracy - best.accuracy
    several = evidence.record.answer is not None and evidence.record.answer.n_members > 1
    if abs(gap) > _WITHIN_SEEDS or several:
        return
    yield Finding(
        check="one-seed",
        severity="note",
        what=f"One run with one seed: {subject(evidence.record)} is {abs(gap) * 100:.1f} points "
        f"{'above' if gap >= 0 else 'below'} the linear model.",
        why="Repeating a recurrent run with other seeds moves its accuracy by half a point to two points.",
        remedy="Repeat it: sulsul compare DATA --seeds 3",
        evidence={"difference": round(gap, 4)},
    )


def _best_linear(evidence: RunEvidence) -> BaselineScores | None:
    linear = [baseline for baseline in evidence.record.baselines if baseline.name != "majority"]
    return max(linear, key=lambda baseline: baseline.accuracy, default=None)


def _paired(evidence: RunEvidence, baseline: BaselineScores) -> PairedComparison | None:
    names = {baseline.name, baseline.title}
    return next((test for test in evidence.record.paired if test.second in names), None)
