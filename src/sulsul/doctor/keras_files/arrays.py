"""Arrays that do not fit the model, or each other."""

from collections.abc import Iterator

import numpy as np

from sulsul.doctor.data.label_order import runs
from sulsul.doctor.keras_files.evidence import KerasEvidence
from sulsul.doctor.quoting import count, percent
from sulsul.evaluation.intervals import wilson_interval
from sulsul.findings import Finding
from sulsul.report.record import Split

_START, _OOV = 1, 2
_MUCH = 0.1
_FEWEST, _NEARLY_ALL, _SERIOUS = 10, 0.9, 0.01
_SORTED = 0.25
_ROUGH, _POINTLESS = 0.03, 0.1


def find_ids_beyond_the_table(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find ids for which the embedding has no row."""
    embedding = evidence.model.embedding
    if evidence.inputs is None or embedding is None:
        return
    size = int(embedding.settings.get("input_dim") or 0)
    for part, inputs in evidence.inputs.x.items():
        if inputs.token_ids is None or not inputs.token_ids.size:
            continue
        largest = int(inputs.token_ids.max())
        if largest >= size:
            n_beyond = int((inputs.token_ids >= size).sum())
            yield Finding(
                check="token-ids",
                severity="error",
                what=f"The {part} inputs hold ids up to {largest}, but the embedding's rows end at {size - 1}.",
                why="Depending on backend and device that is an error, a row of zeros, or another word's row.",
                remedy=f"Give the Embedding input_dim={largest + 1}, or encode with num_words={size}.",
                evidence={"largest_id": largest, "input_dim": size, "ids_beyond": n_beyond},
            )
            return


def find_unknown_ids(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find inputs of which many ids stand for unknown words, by Keras's convention."""
    train = evidence.train
    if train is None or train.token_ids is None or not train.token_ids.size:
        return
    words = train.token_ids[train.token_ids != 0]
    begins = int((train.token_ids == _START).sum())
    if not words.size or not 0.5 * len(train) <= begins <= len(train):
        return  # not Keras's convention: nothing is known of id 2
    share = float((words == _OOV).mean())
    if share < _MUCH:
        return
    yield Finding(
        check="out-of-vocabulary",
        severity="warning",
        what=f"{percent(share)} of the tokens have id {_OOV}, that of unknown words; the largest id is "
        f"{int(words.max()):,}.",
        why="What the model cannot see it cannot use: names and rare words, often the telling ones, are all one to it.",
        remedy="Use more words: imdb.load_data(num_words=20000).",
        evidence={"share": round(share, 4), "largest_id": int(words.max())},
    )


def find_copied_splits(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find validation or test inputs that are the training inputs, or each other."""
    pairs: tuple[tuple[Split, Split, str], ...] = (
        ("validation", "train", "validation-copied"),
        ("test", "train", "validation-copied"),
        ("test", "validation", "test-as-validation"),
    )
    for part, other, check in pairs:
        share = _share_in(evidence, part, other)
        if share < _NEARLY_ALL:
            continue
        names = {"train": "training"}
        yield Finding(
            check=check,
            severity="error",
            what=f"{percent(share)} of the {part} inputs are {names.get(other, other)} inputs.",
            why="The score is that on texts already used: it says nothing about others.",
            remedy=f"Look for a copied line such as x_{part[:3]} = pad_sequences(x_{other}).",
            evidence={"share": round(share, 4)},
        )


def find_duplicates(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find evaluation inputs that also are training inputs."""
    parts: tuple[Split, ...] = ("validation", "test")
    shares = {part: _share_in(evidence, part, "train") for part in parts}
    found = {part: share for part, share in shares.items() if 0 < share < _NEARLY_ALL}
    if not found:
        return
    said = " and ".join(f"{percent(share)} of the {part} inputs" for part, share in found.items())
    yield Finding(
        check="duplicates",
        severity="warning" if max(found.values()) >= _SERIOUS else "note",
        what=f"{said} also occur among the training inputs.",
        why="A text seen in training is recognised, not classified: the score is too high. (Short texts, and texts of "
        "which little is kept, can be equal by coincidence.)",
        remedy="Remove the copies before dividing.",
        evidence={f"{part}_share": round(share, 4) for part, share in found.items()},
    )


def find_sorted_labels(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find training labels in order, of which validation_split takes the tail."""
    labels = None if evidence.inputs is None else evidence.inputs.y.get("train")
    if labels is None or labels.ndim != 1 or len(labels) < 5 * _FEWEST or len(np.unique(labels)) < 2:
        return
    n_runs, expected = runs(labels)
    if n_runs >= _SORTED * expected:
        return
    given = evidence.inputs is not None and "validation" in evidence.inputs.x
    yield Finding(
        check="sorted-labels",
        severity="note" if given else "warning",
        what=f"The training labels are sorted: {n_runs:,} runs of equal labels; {expected:,.0f} would be expected.",
        why="validation_split takes the last rows before it shuffles: whole classes are then missing in training.",
        remedy="Shuffle inputs and labels together first, or divide with train_test_split(stratify=y).",
        evidence={"runs": n_runs, "expected_runs": round(expected, 1)},
    )


def find_small_evaluation(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find a test array on which differences of several points are chance."""
    if evidence.inputs is None:
        return
    part: Split = "test" if "test" in evidence.inputs.x else "validation"
    if part not in evidence.inputs.x:
        return
    n = len(evidence.inputs.x[part])
    if not n:
        return
    low, high = wilson_interval(round(0.8 * n), n)
    half = (high - low) / 2
    if half < _ROUGH:
        return
    yield Finding(
        check="small-evaluation",
        severity="warning" if half >= _POINTLESS else "note",
        what=f"There are {count(n, f'{part} text')}: at 80 % an accuracy is known to about ±{half * 100:.1f} points.",
        why="Two models that far apart cannot be told from each other.",
        remedy="Judge on more texts, or on all of them in turn (cross-validation).",
        evidence={"split": part, "texts": n, "half_width": round(half, 4)},
    )


def _share_in(evidence: KerasEvidence, part: Split, other: Split) -> float:
    if evidence.inputs is None or part not in evidence.inputs.x or other not in evidence.inputs.x:
        return 0.0
    rows = evidence.inputs.x[part].rows
    if len(rows) < _FEWEST:
        return 0.0
    known = set(evidence.inputs.x[other].rows)
    return sum(row in known for row in rows) / len(rows)
