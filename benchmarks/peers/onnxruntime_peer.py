"""ONNX Runtime: inference only, on a graph of ONNX's own recurrent operators with sequence lengths."""

import os
import platform
from typing import Any

import numpy as np
import onnx
import onnxruntime
import protocol
from onnx import helper

from workloads import Layer, Workload

_OPERATORS = {"simple-rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}
# ONNX's gate order as positions in Keras's: LSTM input, output, forget, new; GRU and RNN are alike.
_GATES = {"simple-rnn": (0,), "gru": (0, 1, 2), "lstm": (0, 3, 1, 2)}


class _Graph:
    """Nodes and initializers of the graph as it grows."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, array: np.ndarray) -> str:
        self.initializers.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        return self.add_many(operator, inputs, [output], **attributes)[0]

    def add_many(self, operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> list[str]:
        self.nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs


def _rows(columns: np.ndarray, kind: str) -> np.ndarray:
    """Return Keras's (I, G·H) as ONNX's (G·H, I) with its gates in ONNX's order."""
    gates = np.split(columns, len(_GATES[kind]), axis=1)
    return np.concatenate([gates[g] for g in _GATES[kind]], axis=1).T


def _add_recurrent(graph: _Graph, i: int, layer: Layer, sequence: str, weights: dict[str, np.ndarray]) -> list[str]:
    """Add a layer on (T, B, I); return its sequence output (T, D, B, H) and final state (D, B, H)."""
    directions = ("forward", "backward")[: 1 + layer.bidirectional]
    prefixes = [f"layers.{i}.{direction}_direction" for direction in directions]
    kernels = np.stack([_rows(weights[f"{p}.kernel"], layer.kind) for p in prefixes])
    recurrent = np.stack([_rows(weights[f"{p}.recurrent_kernel"], layer.kind) for p in prefixes])
    biases = []
    for prefix in prefixes:
        bias = weights[f"{prefix}.bias"]
        pair = bias if layer.kind == "gru" else np.stack([bias, np.zeros_like(bias)])
        biases.append(np.concatenate([_rows(row[None], layer.kind)[:, 0] for row in pair]))
    inputs = [
        sequence,
        graph.constant(f"kernel{i}", kernels),
        graph.constant(f"recurrent{i}", recurrent),
        graph.constant(f"bias{i}", np.stack(biases)),
        "lengths",
    ]
    attributes: dict[str, Any] = {
        "hidden_size": layer.units,
        "direction": "bidirectional" if layer.bidirectional else "forward",
    }
    if layer.kind == "gru":
        attributes["linear_before_reset"] = 1
    return graph.add_many(_OPERATORS[layer.kind], inputs, [f"sequence{i}", f"final{i}"], **attributes)


def build_model(workload: Workload, weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """Return the graph: ``ids`` (T, B) and ``lengths`` (B,) in, ``probabilities`` out."""
    graph = _Graph()
    table = weights["input.weight"] if workload.embedding_size else np.eye(workload.vocabulary_size, dtype=np.float32)
    sequence = graph.add("Gather", [graph.constant("table", table), "ids"], "features")
    for i, layer in enumerate(workload.layers):
        sequence, final = _add_recurrent(graph, i, layer, sequence, weights)
        if i < len(workload.layers) - 1:
            swapped = graph.add("Transpose", [sequence], f"swapped{i}", perm=[0, 2, 1, 3])
            shape = graph.constant(f"shape{i}", np.array([0, 0, layer.output_size]))
            sequence = graph.add("Reshape", [swapped, shape], f"features{i}")
    swapped = graph.add("Transpose", [final], "final_swapped", perm=[1, 0, 2])
    shape = graph.constant("final_shape", np.array([0, workload.layers[-1].output_size]))
    vector = graph.add("Reshape", [swapped, shape], "pooled")
    for j, (_, activation) in enumerate(workload.head):
        kernel = graph.constant(f"dense{j}", weights[f"head.{j}.kernel"])
        vector = graph.add(
            "Gemm", [vector, kernel, graph.constant(f"offset{j}", weights[f"head.{j}.bias"])], f"head{j}"
        )
        vector = graph.add("Relu", [vector], f"relu{j}") if activation == "relu" else vector
    output = [
        graph.constant("output_kernel", weights["output.kernel"]),
        graph.constant("offset", weights["output.bias"]),
    ]
    logits = graph.add("Gemm", [vector, *output], "logits")
    if workload.n_outputs == 1:
        graph.add("Sigmoid", [logits], "probabilities")
    else:
        graph.add("Softmax", [logits], "probabilities", axis=1)
    signature = (
        [
            helper.make_tensor_value_info("ids", onnx.TensorProto.INT32, ["T", "B"]),
            helper.make_tensor_value_info("lengths", onnx.TensorProto.INT32, ["B"]),
        ],
        [helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, ["B", workload.n_outputs])],
    )
    built = helper.make_graph(graph.nodes, workload.name, *signature, graph.initializers)
    model = helper.make_model(built, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


class OnnxRuntimePeer:
    """Batches are padded to their own longest text; the operators stop at each text's length."""

    def __init__(
        self, workload: Workload, texts: protocol.Texts, weights: dict[str, np.ndarray], options: dict[str, Any]
    ) -> None:
        session_options = onnxruntime.SessionOptions()
        session_options.intra_op_num_threads = int(os.environ["BENCHMARK_THREADS"])
        session_options.inter_op_num_threads = 1
        session_options.add_session_config_entry("session.set_denormal_as_zero", "1")
        model = build_model(workload, weights).SerializeToString()
        self._session = onnxruntime.InferenceSession(model, session_options, providers=["CPUExecutionProvider"])
        self._texts = texts

    def train_epoch(self) -> float:
        """Refuse: ONNX Runtime's CPU package does not train."""
        raise NotImplementedError("onnxruntime does not train")

    def probabilities(self, n: int) -> np.ndarray:
        """Return probabilities of the first texts."""
        return self._infer(0, n)

    def _infer(self, start: int, end: int) -> np.ndarray:
        sequences = self._texts.sequences[start:end]
        lengths = self._texts.lengths[start:end].astype(np.int32)
        ids = np.zeros((int(lengths.max()), len(sequences)), np.int32)
        for column, sequence in enumerate(sequences):
            ids[: len(sequence), column] = sequence
        return self._session.run(["probabilities"], {"ids": ids, "lengths": lengths})[0]

    def infer(self, batch_size: int, n: int) -> float:
        """Return the seconds of batch after batch."""
        return protocol.seconds(
            lambda: [self._infer(start, min(start + batch_size, n)) for start in range(0, n, batch_size)]
        )


def _versions() -> dict[str, str]:
    return {"ONNX Runtime": onnxruntime.__version__, "onnx": onnx.__version__, "Python": platform.python_version()}


if __name__ == "__main__":
    protocol.serve(OnnxRuntimePeer, _versions)
