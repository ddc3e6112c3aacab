"""A recurrence that never recurs, and token ids taken for numbers."""

from collections.abc import Iterator

import numpy as np

from sulsul.doctor.quoting import percent
from sulsul.doctor.setup.evidence import SetupEvidence
from sulsul.findings import Finding

_NEARLY_ALL = 0.9


def find_single_timestep(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find texts that reach the recurrence as one timestep."""
    pad_to = evidence.specification.text.pad_to
    if evidence.specification.model.input.kind == "raw-ids":
        yield Finding(
            check="one-timestep",
            severity="error",
            what=f"Each text is one timestep of {pad_to} features: there is nothing to recur over.",
            why="Input of shape (batch, 1, T) makes a recurrent layer an ordinary dense layer; it never sees an order "
            "of words.",
            remedy="Feed one token per timestep through an embedding: --set model.input.kind=embedding, and leave out "
            "text.pad_to.",
            evidence={"timesteps": 1, "features": pad_to, "shape_to_use": f"(batch, {pad_to}) of token ids"},
        )
        return
    if evidence.prepared is None or not len(evidence.data.train.rows):
        return
    single = float((evidence.data.train.encoded.lengths <= 1).mean())
    if single >= _NEARLY_ALL:
        yield Finding(
            check="one-timestep",
            severity="error",
            what=f"{percent(single)} of the training texts are a single token.",
            why="A recurrent layer with one timestep is an ordinary dense layer.",
            remedy="Check the text column and the tokenizer; for text without spaces use --set text.tokenizer=char.",
            evidence={
                "share": round(single, 4),
                "mean_length": round(float(np.mean(evidence.data.train.full_lengths)), 2),
            },
        )


def find_ids_as_numbers(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find token ids that enter the network as magnitudes."""
    if evidence.specification.model.input.kind != "raw-ids":
        return
    largest = None
    if evidence.prepared is not None and evidence.data.train.encoded.token_ids.size:
        largest = int(evidence.data.train.encoded.token_ids.max())
    yield Finding(
        check="ids-as-numbers",
        severity="error",
        what="Token ids are fed to the network as plain numbers.",
        why="Id 900 is not 9 times id 100: ids are names. The network sees magnitudes without meaning.",
        remedy="Use an embedding or one-hot input: --set model.input.kind=embedding",
        evidence={} if largest is None else {"largest_value": largest},
    )
