"""A whole classifier as an ONNX model."""

import json
from typing import TYPE_CHECKING

import numpy as np

import sulsul
from sulsul.ensemble import Ensemble
from sulsul.export.graph import GraphBuilder
from sulsul.export.pooling import add_pooling
from sulsul.export.sequence_layers import PARTS, add_sequence_layers
from sulsul.model.classifier import Classifier
from sulsul.model.dense import Dense

if TYPE_CHECKING:
    import onnx

    from sulsul.bundle import Bundle

OPSET = 17
"""Opset of the default domain: the newest whose operators ONNX Runtime has had since 1.12 (2022)."""

_IR_VERSION = 8  # goes with opset 17; onnx would write its own newest, which older runtimes refuse


def build_model(bundle: "Bundle", *, int8: bool = False) -> "onnx.ModelProto":
    """Return the ONNX model of a trained classifier in evaluation form: all its networks in one graph.

    Inputs: ``token_ids`` int64 (batch, time), padded behind with any id, and ``lengths`` int64 (batch), 0 allowed.
    Where words are sums, ids are positions in a third one, ``parts`` int64 (types, parts): the rows each word of the
    batch is the sum of, filled up with -1.
    Outputs: ``logits`` (batch, L) and ``probabilities`` (batch, C), float32. The metadata hold the classes and what is
    to be done with the ids that ``tokenizer.json`` gives. A linear part, which reads texts, is left out.
    """
    from onnx import TensorProto, checker, helper

    classifier = bundle.classifier
    graph = GraphBuilder(int8=int8)
    _add_probabilities(graph, classifier, _add_logits(graph, bundle.ensemble))
    time = classifier.pad_to if classifier.specification.input.kind == "raw-ids" else "time"
    n_logits = classifier.output.kernel.shape[1]
    inputs = [
        helper.make_tensor_value_info("token_ids", TensorProto.INT64, ["batch", time]),
        helper.make_tensor_value_info("lengths", TensorProto.INT64, ["batch"]),
    ]
    if classifier.specification.input.kind == "summed-embedding":
        inputs.append(helper.make_tensor_value_info(PARTS, TensorProto.INT64, ["types", "parts"]))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "sulsul",
            inputs,
            [
                helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", n_logits]),
                helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", classifier.n_classes]),
            ],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="sulsul",
        producer_version=sulsul.__version__,
    )
    helper.set_model_props(model, _metadata(bundle))
    checker.check_model(model, full_check=True)
    return model


def _metadata(bundle: "Bundle") -> dict[str, str]:
    text = bundle.specification.text.model_dump(mode="json") | {"vocabulary_size": bundle.tokenizer.vocabulary_size}
    return {
        "classes": json.dumps(bundle.labels.classes, ensure_ascii=False),
        "multi_label": json.dumps(bundle.labels.multi_label),
        "text": json.dumps(text),
    }


def _add_logits(graph: GraphBuilder, ensemble: Ensemble) -> str:
    """Add every network, the mean of their logits and the temperature; return the name of the result."""
    divisor = len(ensemble.members) * exported_temperature(ensemble)
    logits = []
    for member in ensemble.members:
        steps = add_sequence_layers(graph, member, "token_ids", "lengths")
        pooled = add_pooling(graph, member.pooling, steps)
        logits.append(_add_head(graph, member, pooled, output="logits" if divisor == 1.0 else None))
    if divisor == 1.0:
        return logits[0]
    total = graph.node("Sum", logits) if len(logits) > 1 else logits[0]
    return graph.node("Div", [total, graph.constant(divisor, np.float32)], output="logits")


def exported_temperature(ensemble: Ensemble) -> float:
    """Return the temperature of the networks: that of a blend with a linear part is not theirs."""
    return ensemble.blend.temperature if ensemble.linear is None else 1.0


def _add_head(graph: GraphBuilder, classifier: Classifier, pooled: str, *, output: str | None) -> str:
    for layer in classifier.head:
        if isinstance(layer, Dense):
            pooled = _dense(graph, layer, pooled)
            if layer.layer.activation != "linear":
                pooled = graph.node({"relu": "Relu", "tanh": "Tanh"}[layer.layer.activation], [pooled])
    return _dense(graph, classifier.output, pooled, output=output)


def _dense(graph: GraphBuilder, layer: Dense, inputs: str, *, output: str | None = None) -> str:
    kernel = graph.weight(layer.kernel.detach().numpy(), axis=1)
    bias = graph.constant(layer.bias.detach().numpy(), np.float32)
    return graph.node("Gemm", [inputs, kernel, bias], output=output)


def _add_probabilities(graph: GraphBuilder, classifier: Classifier, logits: str) -> None:
    match classifier.output_kind:
        case "sigmoid":
            both = graph.node("Concat", [graph.node("Neg", [logits]), logits], axis=1)
            graph.node("Sigmoid", [both], output="probabilities")
        case "softmax":
            graph.node("Softmax", [logits], output="probabilities", axis=1)
        case "multi-label":
            graph.node("Sigmoid", [logits], output="probabilities")
