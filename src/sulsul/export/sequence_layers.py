"""The input and the sequence layers as ONNX nodes, over padded timesteps (T, B, F).

ONNX's RNN, GRU and LSTM read ``sequence_lens``: they never run a padded timestep and reverse each text on its own.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from sulsul.export.graph import GraphBuilder
from sulsul.model.classifier import Classifier
from sulsul.model.gate_order import Cell, to_onnx
from sulsul.model.inputs import Embedding, RawIds, SummedEmbedding
from sulsul.model.normalization import BatchNorm
from sulsul.model.recurrence_inputs import DirectionParameters
from sulsul.model.recurrent import Recurrent

PARTS = "parts"
"""Name of the input that holds the part ids of a batch's types, int64 (U, P), filled up with -1."""

_OPERATORS: dict[Cell, str] = {"simple-rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}


class Steps(NamedTuple):
    """Names of the values that describe a padded batch."""

    hidden: str
    """float (T, B, F)."""
    lengths: str
    """int64 (B,)."""
    recurrent_lengths: str
    """int32 (B,), at least 1: not every runtime takes a length of 0, whose states pooling leaves out anyway."""


def add_sequence_layers(graph: GraphBuilder, classifier: Classifier, token_ids: str, lengths: str) -> Steps:
    """Add everything from token ids (B, T) to the last sequence layer; dropout is left out."""
    layers = list(classifier.layers)
    if isinstance(classifier.input, RawIds):
        steps = _raw_ids(graph, token_ids)
    else:
        # One more timestep of PAD, which nothing reads, makes a batch of empty texts (T = 0) legal.
        by_time = graph.node("Transpose", [token_ids], perm=[1, 0])
        by_time = graph.node("Pad", [by_time, graph.integers(0, 0, 1, 0)])
        at_least_one = graph.node("Max", [lengths, graph.integers(1)])
        recurrent_lengths = graph.node("Cast", [at_least_one], to=_int32())
        if isinstance(classifier.input, Embedding):
            hidden = graph.rows(_array(classifier.input.weight), by_time)
        elif isinstance(classifier.input, SummedEmbedding):
            hidden = _sums(graph, _array(classifier.input.weight), by_time)
        else:
            hidden = _one_hot(graph, layers[0], by_time)
        steps = Steps(hidden, lengths, recurrent_lengths)
    one_hot = classifier.specification.input.kind == "one-hot"
    for position, layer in enumerate(layers):
        if isinstance(layer, Recurrent):
            is_projected = one_hot and position == 0 and _is_projected(layer)
            steps = steps._replace(hidden=_recurrent(graph, layer, steps, is_projected=is_projected))
        elif isinstance(layer, BatchNorm):
            steps = steps._replace(hidden=_batch_norm(graph, layer, steps.hidden))
    return steps


def _sums(graph: GraphBuilder, table: npt.NDArray[Any], by_time: str) -> str:
    """Look up sums of the table's rows: those of a batch's types once, then theirs by token.

    Part -1 is the last row: zeros, which add nothing. One type more, of zeros, is there for a batch without any.
    """
    with_zeros = np.concatenate([table, np.zeros((1, table.shape[1]), table.dtype)])
    sums = graph.node("ReduceSum", [graph.rows(with_zeros, PARTS), graph.integers(1)], keepdims=0)
    none = graph.constant(np.zeros((1, table.shape[1])), np.float32)
    return graph.node("Gather", [graph.node("Concat", [sums, none], axis=0), by_time], axis=0)


def _raw_ids(graph: GraphBuilder, token_ids: str) -> Steps:
    """Add one timestep whose features are the ids: (1, B, pad_to), every length 1."""
    features = graph.node("Cast", [token_ids], to=_float32())
    n_texts = graph.node("Shape", [token_ids], start=0, end=1)
    ones = graph.node("Expand", [graph.integers(1), n_texts])
    return Steps(graph.node("Unsqueeze", [features, graph.integers(0)]), ones, graph.node("Cast", [ones], to=_int32()))


def _is_projected(layer: Recurrent) -> bool:
    """Whether a one-hot input is narrower as rows of the layer's kernels, D·G·H, than as rows of ones and zeros, V."""
    n_columns = sum(direction.kernel.shape[1] for direction in layer.directions())
    return n_columns < layer.forward_direction.kernel.shape[0]


def _one_hot(graph: GraphBuilder, layer: Any, by_time: str) -> str:
    """Look up one-hot rows or, where that is narrower, the rows of the kernels that they would select."""
    if _is_projected(layer):
        return graph.rows(_array(torch.cat([direction.kernel for direction in layer.directions()], dim=1)), by_time)
    table = np.eye(layer.forward_direction.kernel.shape[0], dtype=np.float32)
    return graph.node("Gather", [graph.constant(table, np.float32), by_time], axis=0)


def _recurrent(graph: GraphBuilder, layer: Recurrent, steps: Steps, *, is_projected: bool) -> str:
    settings, directions = layer.layer, layer.directions()
    kind, n_directions = settings.kind, len(directions)
    if is_projected:
        directions = _selecting(directions)
    weights = to_onnx(kind, directions)
    W = _array(weights.W)
    inputs = [
        steps.hidden,
        graph.constant(W, np.float32) if is_projected else graph.weight(W, axis=1),
        graph.weight(_array(weights.R), axis=1),
        graph.constant(_array(weights.B), np.float32),
        steps.recurrent_lengths,
    ]
    attributes: dict[str, Any] = {"hidden_size": settings.units}
    attributes["direction"] = "bidirectional" if n_directions == 2 else "forward"
    if kind == "gru":
        attributes["linear_before_reset"] = weights.linear_before_reset
    if settings.activation == "relu":
        attributes["activations"] = (["Sigmoid", "Relu", "Relu"] if kind == "lstm" else ["Relu"]) * n_directions
    states = graph.node(_OPERATORS[kind], inputs, **attributes)  # (T, D, B, H)
    by_text = graph.node("Transpose", [states], perm=[0, 2, 1, 3])
    return graph.node("Reshape", [by_text, graph.integers(0, 0, settings.output_size)])


def _selecting(directions: list[DirectionParameters]) -> list[DirectionParameters]:
    """Return kernels that pick each direction's columns from rows that are projected already, (…, D·G·H)."""
    width = directions[0].kernel.shape[1]
    identity = torch.eye(width * len(directions))
    return [
        direction._replace(kernel=identity[:, width * k : width * (k + 1)]) for k, direction in enumerate(directions)
    ]


def _batch_norm(graph: GraphBuilder, layer: BatchNorm, hidden: str) -> str:
    """Add the evaluation form, folded into one factor and one summand per feature."""
    gamma, beta = _array(layer.gamma).astype(np.float64), _array(layer.beta).astype(np.float64)
    mean, variance = _array(layer.moving_mean).astype(np.float64), _array(layer.moving_variance).astype(np.float64)
    scale = gamma / np.sqrt(variance + layer.epsilon)
    scaled = graph.node("Mul", [hidden, graph.constant(scale, np.float32)])
    return graph.node("Add", [scaled, graph.constant(beta - mean * scale, np.float32)])


def _array(tensor: torch.Tensor) -> npt.NDArray[Any]:
    return tensor.detach().cpu().numpy()


def _int32() -> int:
    from onnx import TensorProto

    return int(TensorProto.INT32)


def _float32() -> int:
    from onnx import TensorProto

    return int(TensorProto.FLOAT)
