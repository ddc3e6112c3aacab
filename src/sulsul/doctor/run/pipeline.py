"""Whether a saved classifier still is what was trained and judged."""

from collections.abc import Iterator

from sulsul.doctor.quoting import count
from sulsul.doctor.run.evidence import RunEvidence
from sulsul.findings import Finding
from sulsul.text import Tokenizer

_SCORE_TOLERANCE = 2e-3
_SHOWN = 10


def find_changed_data(evidence: RunEvidence) -> Iterator[Finding]:
    """Find data that are not those the run was trained on."""
    if evidence.prepared is None or evidence.bundle is None:
        return
    then, now = evidence.bundle.data.get("fingerprint"), evidence.prepared.corpus.fingerprint
    if then is None or then == now:
        return
    yield Finding(
        check="changed-data",
        severity="warning",
        what=f"{evidence.prepared.corpus.source} is not what the run was trained on: texts or labels have changed.",
        why="Splits drawn from other rows put training texts into the test, and the scores cannot be repeated.",
        remedy="Restore the file as it was, or train again.",
        evidence={"fingerprint_then": str(then), "fingerprint_now": now},
    )


def find_changed_pipeline(evidence: RunEvidence) -> Iterator[Finding]:
    """Find a bundle that does not repeat the score it recorded."""
    split = evidence.record.headline_split
    if split is None or evidence.prepared is None or split not in evidence.probabilities:
        return
    if any(True for _ in find_changed_data(evidence)):
        return  # other data, other scores
    truth, recorded = evidence.truth(split), evidence.headline
    if truth is None or recorded is None:
        return
    accuracy = float((evidence.probabilities[split].argmax(axis=1) == truth).mean())
    if abs(accuracy - recorded.accuracy) <= max(_SCORE_TOLERANCE, 1.5 / len(truth)):
        return
    yield Finding(
        check="changed-pipeline",
        severity="error",
        what=f"The saved classifier has accuracy {accuracy:.4f} on its {split} texts, but {recorded.accuracy:.4f} was "
        "recorded.",
        why="Weights, tokenizer or labels are not those that were judged: in use it will be as far off.",
        remedy="Restore the run's folder from where it was saved, or train again.",
        evidence={"accuracy_now": round(accuracy, 5), "accuracy_recorded": round(recorded.accuracy, 5)},
    )


def find_foreign_vocabulary(evidence: RunEvidence) -> Iterator[Finding]:
    """Find a vocabulary that was learned from other texts than the training split."""
    if evidence.prepared is None or any(True for _ in find_changed_data(evidence)):
        return
    tokenizer = evidence.prepared.tokenizer
    fresh = Tokenizer.fit(evidence.prepared.texts("train"), tokenizer.settings)
    learned, expected = tokenizer.vocabulary(), fresh.vocabulary()
    if learned == expected:
        return
    foreign = sorted(set(learned) - set(expected))
    whole = Tokenizer.fit(evidence.prepared.corpus.texts, tokenizer.settings).vocabulary()
    yield Finding(
        check="vocabulary-of-other-texts",
        severity="error",
        what="The vocabulary was learned from "
        + ("all texts, the test texts included" if learned == whole else "other texts than the training split")
        + f": {count(len(foreign), 'token')} in it would not be there.",
        why="What is in the vocabulary is chosen with knowledge of the texts that judge it, and the score is too high.",
        remedy="Fit the tokenizer on the training split only, as sulsul train does.",
        evidence={"foreign_tokens": list(foreign[:_SHOWN]), "vocabulary_size": len(learned)},
    )
