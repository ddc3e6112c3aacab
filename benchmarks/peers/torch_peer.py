"""torch.nn: padded to T, or packed (``options["packed"]``), in the loop a torch user writes."""

import os
import platform
from typing import Any

import numpy as np
import protocol
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from workloads import Layer, Workload

_MODULES = {"simple-rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class _Network(nn.Module):
    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self.n_ids = workload.vocabulary_size
        size = workload.input_size
        self.embedding = nn.Embedding(self.n_ids, size) if workload.embedding_size is not None else None
        self.recurrences = nn.ModuleList()
        for layer, count in _stacks(workload.layers):
            module = _MODULES[layer.kind]
            self.recurrences.append(
                module(size, layer.units, count, bidirectional=layer.bidirectional, batch_first=True)
            )
            size = layer.output_size
        dense: list[nn.Module] = []
        for units, activation in workload.head:
            dense += [nn.Linear(size, units), *([nn.ReLU()] if activation == "relu" else [])]
            size = units
        self.dense = nn.Sequential(*dense, nn.Linear(size, workload.n_outputs))

    def forward(self, ids: Tensor | PackedSequence) -> Tensor:
        packed = isinstance(ids, PackedSequence)
        features = self._features(ids.data if packed else ids)
        sequence = ids._replace(data=features) if packed else features
        for recurrence in self.recurrences:
            sequence, state = recurrence(sequence)
        hidden = state[0] if isinstance(state, tuple) else state
        last = hidden[-2:] if recurrence.bidirectional else hidden[-1:]
        return self.dense(torch.cat(list(last), dim=1))

    def _features(self, ids: Tensor) -> Tensor:
        if self.embedding is not None:
            return self.embedding(ids)
        return nn.functional.one_hot(ids, self.n_ids).float()


def _stacks(layers: tuple[Layer, ...]) -> list[tuple[Layer, int]]:
    """Return runs of equal layers, which torch computes as one module."""
    stacks: list[tuple[Layer, int]] = []
    for layer in layers:
        if stacks and stacks[-1][0] == layer and layer.bidirectional:
            stacks[-1] = (layer, stacks[-1][1] + 1)
        else:
            stacks.append((layer, 1))
    return stacks


def _load_weights(network: _Network, workload: Workload, weights: dict[str, np.ndarray]) -> None:
    tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
    with torch.no_grad():
        if network.embedding is not None:
            network.embedding.weight.copy_(tensors["input.weight"])
        i = 0
        for (layer, count), module in zip(_stacks(workload.layers), network.recurrences, strict=True):
            for inner in range(count):
                for direction, suffix in (("forward", ""), ("backward", "_reverse"))[: 1 + layer.bidirectional]:
                    _load_direction(module, layer, f"l{inner}{suffix}", tensors, f"layers.{i}.{direction}_direction")
                i += 1
        linear = [module for module in network.dense if isinstance(module, nn.Linear)]
        for j, module in enumerate(linear):
            prefix = f"head.{j}" if j < len(linear) - 1 else "output"
            module.weight.copy_(tensors[f"{prefix}.kernel"].T)
            module.bias.copy_(tensors[f"{prefix}.bias"])


def _load_direction(module: nn.Module, layer: Layer, suffix: str, tensors: dict[str, Tensor], prefix: str) -> None:
    bias = tensors[f"{prefix}.bias"]
    biases = bias if layer.kind == "gru" else torch.stack([bias, torch.zeros_like(bias)])
    kernels = (tensors[f"{prefix}.kernel"], tensors[f"{prefix}.recurrent_kernel"])
    for name, kernel, one_bias in zip(("ih", "hh"), kernels, biases, strict=True):
        getattr(module, f"weight_{name}_{suffix}").copy_(_gates(kernel, layer).T)
        getattr(module, f"bias_{name}_{suffix}").copy_(_gates(one_bias[None], layer)[0])


def _gates(columns: Tensor, layer: Layer) -> Tensor:
    """Return Keras's columns in torch's gate order: both order LSTM alike; for GRU torch wants reset before update."""
    if layer.kind != "gru":
        return columns
    update, reset, new = columns.chunk(3, dim=1)
    return torch.cat([reset, update, new], dim=1)


class TorchPeer:
    """A plain training loop with the fastest form of the optimizer."""

    def __init__(
        self, workload: Workload, texts: protocol.Texts, weights: dict[str, np.ndarray], options: dict[str, Any]
    ) -> None:
        self._workload = workload
        self._packed = options.get("packed", False)
        self._network = _Network(workload)
        _load_weights(self._network, workload, weights)
        if self._packed:
            self._sequences = [torch.from_numpy(sequence).long() for sequence in texts.sequences]
        else:
            self._padded = torch.from_numpy(texts.padded(workload.n_timesteps)).long()
        self._targets = torch.from_numpy(texts.class_ids)
        parameters = self._network.parameters()
        if workload.optimizer == "adam":
            self._optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)
        else:
            self._optimizer = torch.optim.RMSprop(parameters, lr=1e-3, alpha=0.9, foreach=True)

    def _batch(self, start: int, end: int) -> Tensor | PackedSequence:
        if self._packed:
            return pack_sequence(self._sequences[start:end], enforce_sorted=False)
        return self._padded[start:end]

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        if self._workload.n_outputs == 1:
            return nn.functional.binary_cross_entropy_with_logits(logits[:, 0], targets.float())
        return nn.functional.cross_entropy(logits, targets)

    def train_epoch(self) -> float:
        """Train on every batch once."""
        return protocol.seconds(self._train)

    def _train(self) -> None:
        self._network.train()
        size = self._workload.batch_size
        for start in range(0, len(self._targets), size):
            logits = self._network(self._batch(start, start + size))
            loss = self._loss(logits, self._targets[start : start + size])
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            loss.item()

    @torch.inference_mode()
    def probabilities(self, n: int) -> np.ndarray:
        """Return probabilities of the first texts."""
        return self._infer(0, n).numpy()

    def _infer(self, start: int, end: int) -> Tensor:
        logits = self._network(self._batch(start, end))
        return logits.sigmoid() if self._workload.n_outputs == 1 else logits.softmax(dim=1)

    @torch.inference_mode()
    def infer(self, batch_size: int, n: int) -> float:
        """Return the seconds of batch after batch."""
        self._network.eval()
        return protocol.seconds(
            lambda: [self._infer(start, min(start + batch_size, n)) for start in range(0, n, batch_size)]
        )


def _versions() -> dict[str, str]:
    return {"torch": torch.__version__, "Python": platform.python_version()}


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ["BENCHMARK_THREADS"]))
    torch.set_flush_denormal(True)
    protocol.serve(TorchPeer, _versions)
