"""What an answer consists of, in words: so that nobody takes a blend for a network."""

from sulsul.report.record import AnswerSummary, PartScores, RunRecord


def subject(record: RunRecord) -> str:
    """Return what was judged, as the subject of a sentence; a linear part is never left unsaid."""
    answer = record.answer
    if answer is None or (answer.n_members == 1 and answer.linear is None):
        return "the network"
    networks = "the network" if answer.n_members == 1 else f"the ensemble of {answer.n_members} networks"
    if answer.linear is None:
        return networks
    named = "the network" if answer.n_members == 1 else f"{answer.n_members} networks"
    return f"the blend of {named} and a linear model"


def composition(answer: AnswerSummary) -> str:
    """Return one sentence with the parts, their weights, the temperature, and what these were fitted on."""
    networks = "one network" if answer.n_members == 1 else f"{answer.n_members} networks, averaged"
    parts = [networks]
    if answer.linear is not None:
        weight = answer.linear_weight
        parts = [f"{networks} (weight {1 - weight:.2f})", f"a linear model: {answer.linear} (weight {weight:.2f})"]
    return f"The answer is {' and '.join(parts)}; {_fitted(answer)}."


def _fitted(answer: AnswerSummary) -> str:
    temperature = f"temperature {answer.temperature:.2f}"
    if not answer.n_fitted:
        default = "equal weights, " if answer.linear is not None else ""
        return f"{default}{temperature}: nothing was fitted"
    what = "weight and temperature" if answer.linear is not None else "temperature"
    return f"{temperature}; {what} by log loss on {answer.n_fitted:,} validation texts"


def parts_alone(answer: AnswerSummary) -> str | None:
    """Return what the networks and the linear part reach alone; None where there is one part."""
    shown = [part for part in answer.parts if part.kind in {"recurrent", "linear"}]
    if answer.linear is None or not shown:
        return None
    said = ", ".join(f"{_alone(part, answer)} {part.accuracy:.3f}" for part in shown)
    return f"The answer contains a linear model. Alone: {said}; together {answer.whole.accuracy:.3f}."


def _alone(part: PartScores, answer: AnswerSummary) -> str:
    if part.kind == "linear":
        return "the linear model"
    return "the network" if answer.n_members == 1 else f"the {answer.n_members} networks"


def calibration_words(answer: AnswerSummary) -> str:
    """Return the calibration error with and without temperature."""
    whole = answer.whole
    if answer.temperature == 1.0:
        return f"Calibration error {whole.ece:.3f}, at temperature 1."
    return (
        f"Calibration error {answer.ece_uncalibrated:.3f} before and {whole.ece:.3f} after "
        f"temperature {answer.temperature:.2f}."
    )


def abstention_words(answer: AnswerSummary) -> str | None:
    """Return what the threshold does on texts that did not choose it; None where none is stored."""
    found = answer.abstention
    if found is None:
        return None
    right = "none is answered" if found.precision is None else f"{found.precision:.3f} of them right"
    return (
        f"Answered from a confidence of {found.threshold:.3f} on (wanted precision {found.wanted_precision:g}): "
        f"{found.n_answered:,} of {found.n:,} texts, {right}."
    )
