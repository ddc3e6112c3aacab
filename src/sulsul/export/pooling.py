"""Pooling over the real timesteps of padded hidden states (T, B, F) as ONNX nodes; zeros for an empty text."""

import numpy as np

from sulsul.export.graph import GraphBuilder
from sulsul.export.sequence_layers import Steps
from sulsul.model.pooling import AttentionPooling, LastPooling, MaxPooling, MeanPooling

_LOWEST = float(np.finfo(np.float32).min)


def add_pooling(
    graph: GraphBuilder, pooling: LastPooling | MeanPooling | MaxPooling | AttentionPooling, steps: Steps
) -> str:
    """Add the nodes that pool the hidden states to (B, F)."""
    timesteps = _timesteps(graph, steps.hidden)
    if isinstance(pooling, LastPooling):
        return _last(graph, pooling, steps, timesteps)
    is_real = graph.node("Unsqueeze", [graph.node("Less", [timesteps, steps.lengths]), graph.integers(2)])
    if isinstance(pooling, MeanPooling):
        return _mean(graph, steps, is_real)
    if isinstance(pooling, MaxPooling):
        return _max(graph, steps, is_real)
    return _attention(graph, pooling, steps, is_real)


def _timesteps(graph: GraphBuilder, hidden: str) -> str:
    """Add 0 … T-1 as a column (T, 1)."""
    zero, one = graph.constant(0, np.int64), graph.constant(1, np.int64)
    n_timesteps = graph.node("Squeeze", [graph.node("Shape", [hidden], start=0, end=1)])
    return graph.node("Unsqueeze", [graph.node("Range", [zero, n_timesteps, one]), graph.integers(1)])


def _only(graph: GraphBuilder, condition: str, hidden: str, otherwise: float) -> str:
    return graph.node("Where", [condition, hidden, graph.constant(otherwise, np.float32)])


def _sum(graph: GraphBuilder, hidden: str) -> str:
    return graph.node("ReduceSum", [hidden, graph.integers(0)], keepdims=0)


def _last(graph: GraphBuilder, pooling: LastPooling, steps: Steps, timesteps: str) -> str:
    """Take the forward features of the last timestep and the backward features of the first."""
    last = graph.node("Sub", [steps.lengths, graph.integers(1)])
    is_last = graph.node("Unsqueeze", [graph.node("Equal", [timesteps, last]), graph.integers(2)])
    at_last = _sum(graph, _only(graph, is_last, steps.hidden, 0.0))  # one real value and zeros: exact
    if not pooling.n_backward:
        return at_last
    begin, end, features = graph.integers(-pooling.n_backward), graph.integers(2**31 - 1), graph.integers(1)
    forward = graph.node("Slice", [at_last, graph.integers(0), begin, features])
    at_first = graph.node("Gather", [steps.hidden, graph.constant(0, np.int64)], axis=0)
    backward = graph.node("Slice", [at_first, begin, end, features])
    pooled = graph.node("Concat", [forward, backward], axis=1)
    return _only(graph, _has_timesteps(graph, steps), pooled, 0.0)


def _mean(graph: GraphBuilder, steps: Steps, is_real: str) -> str:
    at_least_one = graph.node("Max", [steps.lengths, graph.integers(1)])
    total = _sum(graph, _only(graph, is_real, steps.hidden, 0.0))
    divisors = graph.node("CastLike", [graph.node("Unsqueeze", [at_least_one, graph.integers(1)]), total])
    return graph.node("Div", [total, divisors])


def _max(graph: GraphBuilder, steps: Steps, is_real: str) -> str:
    largest = graph.node("ReduceMax", [_only(graph, is_real, steps.hidden, _LOWEST)], axes=[0], keepdims=0)
    return _only(graph, _has_timesteps(graph, steps), largest, 0.0)


def _attention(graph: GraphBuilder, pooling: AttentionPooling, steps: Steps, is_real: str) -> str:
    query = graph.constant(pooling.query.detach().numpy()[:, None], np.float32)
    scores = _only(graph, is_real, graph.node("MatMul", [steps.hidden, query]), _LOWEST)
    # Over an empty text all weights are equal; the mask makes them 0.
    weights = _only(graph, is_real, graph.node("Softmax", [scores], axis=0), 0.0)
    return _sum(graph, graph.node("Mul", [steps.hidden, weights]))


def _has_timesteps(graph: GraphBuilder, steps: Steps) -> str:
    return graph.node("Unsqueeze", [graph.node("Greater", [steps.lengths, graph.integers(0)]), graph.integers(1)])
