"""Layers that do not fit what flows through them."""

from collections.abc import Iterator

from sulsul.doctor.keras_files.evidence import KerasEvidence
from sulsul.doctor.quoting import percent
from sulsul.findings import Finding

_MUCH = 0.5
_POOLINGS = frozenset({"GlobalAveragePooling1D", "GlobalMaxPooling1D"})
_MASK = "Set Embedding(…, mask_zero=True) and keep id 0 for padding; with cuDNN pad behind the text."


def find_single_timestep(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find input of shape (batch, 1, T)."""
    if not evidence.model.recurrent or evidence.model.embedding is not None:
        return
    shape = evidence.model.input_shape
    if evidence.train is not None and len(evidence.train.shape) == 3:
        shape = evidence.train.shape
    reshaped = next((layer for layer in evidence.model.layers if layer.kind in ("Reshape", "RepeatVector")), None)
    if reshaped is not None and reshaped.settings.get("target_shape"):
        shape = (None, *reshaped.settings["target_shape"])
    if shape is None or len(shape) != 3 or shape[1] != 1 or (shape[2] or 0) < 2:
        return
    yield Finding(
        check="one-timestep",
        severity="error",
        what=f"Each text is one timestep of {shape[2]} features: the recurrent layer has nothing to recur over.",
        why="Input of shape (batch, 1, T) makes it an ordinary dense layer; it never sees an order of words.",
        remedy=f"Feed (batch, {shape[2]}) token ids through an Embedding; never reshape to (batch, 1, T).",
        evidence={"shape": [None, shape[1], shape[2]], "shape_to_use": f"(batch, {shape[2]})"},
    )


def find_ids_as_numbers(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find whole numbers that reach a recurrent or dense layer without an embedding."""
    train = evidence.train
    if train is None or evidence.model.embedding is not None or not train.are_whole:
        return
    yield Finding(
        check="ids-as-numbers",
        severity="error",
        what=f"The inputs are whole numbers up to {int(train.values.max()):,} of shape {_shape(train.shape)}, and "
        "there is no embedding.",
        why="Id 900 is not 9 times id 100: ids are names. The network sees magnitudes without meaning.",
        remedy="Put an Embedding first, or feed one-hot rows.",
        evidence={"largest_value": int(train.values.max()), "shape": _shape(train.shape)},
    )


def find_unmasked_padding(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find pads that a recurrent layer reads."""
    unmasked = [(i, layer) for i, layer in evidence.model.recurrent if not evidence.is_masked(i)]
    if not unmasked:
        return
    padding, shape = evidence.padding, evidence.model.input_shape
    if padding is None:
        if (
            evidence.train is not None
            or evidence.model.embedding is None
            or not shape
            or len(shape) < 2
            or shape[1] is None
        ):
            return
        yield Finding(
            check="unmasked-padding",
            severity="warning",
            what=f"The input has {shape[1]} timesteps and nothing masks padding: unless every text is that long, pads "
            "are read as words.",
            why="Behind a text, pads make the network forget it; in front, their number becomes an input.",
            remedy=_MASK,
            evidence={"timesteps": shape[1], "mask_zero": False},
        )
        return
    if padding.side is None:
        return
    forgets = padding.side == "behind" and not unmasked[-1][1].settings.get("return_sequences")
    yield Finding(
        check="unmasked-padding",
        severity="error" if forgets else "warning",
        what=f"{percent(max(padding.behind, padding.in_front))} of the texts are padded {padding.side}, and the "
        f"{unmasked[0][1].kind} reads the pads: there is no mask.",
        why="The state that is classified is the one after all those pads: the text is forgotten."
        if forgets
        else "How many pads there are becomes an input of its own.",
        remedy=_MASK,
        evidence={
            "padded_behind": round(padding.behind, 4),
            "padded_in_front": round(padding.in_front, 4),
            "mask_zero": False,
        },
    )


def find_padding_share(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find inputs that are mostly padding."""
    padding, train = evidence.padding, evidence.train
    if padding is None or train is None or padding.share < _MUCH:
        return
    length = train.shape[1] or 0
    yield Finding(
        check="padding-share",
        severity="warning",
        what=f"{percent(padding.share)} of all timesteps are padding: texts have "
        f"{(1 - padding.share) * length:.0f} tokens on average and are padded to {length}.",
        why="Most of the computation is spent on nothing, and the signal is thinned.",
        remedy="Pad to the length that 95 % of the texts need, or to the longest of each batch.",
        evidence={"share": round(padding.share, 4), "padded_to": length},
    )


def find_normalised_padding(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find batch normalisation over timesteps of which many are pads."""
    layers = evidence.model.layers
    last_sequence = max((i for i, layer in evidence.model.recurrent), default=-1)
    found = [i for i, layer in enumerate(layers[:last_sequence]) if layer.kind == "BatchNormalization"]
    if not found or evidence.padding is None or evidence.padding.side is None:
        return
    if all(evidence.is_masked(i) for i in found):
        return  # Keras 3 leaves masked timesteps out of the statistics
    yield Finding(
        check="batch-norm-over-padding",
        severity="warning",
        what="Batch normalisation runs over timesteps of which many are padding.",
        why="Mean and variance become those of the pads.",
        remedy=f"{_MASK} Or normalise after the last recurrent layer.",
        evidence={"layers": list(found)},
    )


def find_pooled_padding(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find a mean or maximum over timesteps that counts the pads."""
    for index, layer in enumerate(evidence.model.layers):
        if layer.kind in _POOLINGS and not evidence.is_masked(index):
            if evidence.padding is None or evidence.padding.side is None:
                return
            yield Finding(
                check="padding-row",
                severity="warning",
                what=f"{layer.kind} counts the pads: no mask reaches it.",
                why="A short text's vector is mostly that of padding.",
                remedy=_MASK,
                evidence={"layer": layer.kind, "padding_share": round(evidence.padding.share, 4)},
            )
            return


def find_relu_recurrence(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find relu inside a recurrence without a bound on the gradient."""
    kinds = sorted({layer.kind for _, layer in evidence.model.recurrent if layer.settings.get("activation") == "relu"})
    if not kinds or evidence.model.clips_gradients:
        return
    yield Finding(
        check="relu-recurrence",
        severity="warning",
        what=f"The recurrence of {' and '.join(kinds)} uses relu, and gradients are not clipped.",
        why="Over many timesteps an unbounded state grows without limit, and so does its gradient.",
        remedy="Leave out activation='relu' (tanh is the default), or give the optimizer clipnorm=1.0.",
        evidence={"kinds": list(kinds)},
    )


def find_sequence_output(evidence: KerasEvidence) -> Iterator[Finding]:
    """Find a last recurrent layer that gives one output per timestep, classified one by one."""
    if not evidence.model.recurrent:
        return
    index, last = evidence.model.recurrent[-1]
    after = [layer.kind for layer in evidence.model.layers[index + 1 :]]
    if not last.settings.get("return_sequences") or any(
        kind in _POOLINGS or "Pooling" in kind or kind in ("Flatten", "Lambda", "Attention", "GetItem")
        for kind in after
    ):
        return
    if not after or after[-1] not in ("Dense", "Activation", "Softmax", "Dropout"):
        return
    yield Finding(
        check="sequence-output",
        severity="error",
        what=f"The last {last.kind} has return_sequences=True and nothing pools its timesteps: the model answers once "
        "per timestep, not once per text.",
        why="Training fails with a shape error, or labels are broadcast and accuracy is that of prefixes.",
        remedy="Leave out return_sequences in the last recurrent layer, or pool (GlobalMaxPooling1D).",
        evidence={"layers_after_it": list(after)},
    )


def _shape(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('batch' if i == 0 else str(size) for i, size in enumerate(shape))})"
