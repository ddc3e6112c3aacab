"""The networks that are compared, in plain data that every peer's own process can read.

Parameters travel between peers in one layout, sulsul's and Keras's: ``input.weight`` (V, E);
``layers.{i}.forward_direction.kernel`` (I, G·H), ``.recurrent_kernel`` (H, G·H), ``.bias``; ``head.{i}.kernel``;
``output.kernel``; gates in Keras's order.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

GATES = {"simple-rnn": 1, "gru": 3, "lstm": 4}


@dataclass(frozen=True)
class Layer:
    """A recurrent layer."""

    kind: str
    units: int
    bidirectional: bool = False

    @property
    def output_size(self) -> int:
        """Width of its output."""
        return self.units * (2 if self.bidirectional else 1)


@dataclass(frozen=True)
class Workload:
    """A network, its batch and the padded length T.

    Attributes
    ----------
    embedding_size
        None: a one-hot input.
    head
        (units, activation) of the dense layers before the output.
    texts
        Where real lengths come from: ``seoul`` or ``imdb``.
    """

    name: str
    vocabulary_size: int
    embedding_size: int | None
    layers: tuple[Layer, ...]
    n_classes: int
    optimizer: str
    batch_size: int
    n_timesteps: int
    head: tuple[tuple[int, str], ...] = ()
    texts: str = "imdb"
    n_batches: int = 16

    @property
    def input_size(self) -> int:
        """Features per timestep."""
        return self.embedding_size or self.vocabulary_size

    @property
    def n_outputs(self) -> int:
        """Logits per text: 1 for two classes."""
        return 1 if self.n_classes == 2 else self.n_classes

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Return what :meth:`to_json` wrote down."""
        layers = tuple(Layer(**layer) for layer in values["layers"])
        head = tuple((units, activation) for units, activation in values["head"])
        return cls(**{**values, "layers": layers, "head": head})

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every parameter by name."""
        shapes: dict[str, tuple[int, ...]] = {}
        if self.embedding_size is not None:
            shapes["input.weight"] = (self.vocabulary_size, self.embedding_size)
        size = self.input_size
        for i, layer in enumerate(self.layers):
            width = GATES[layer.kind] * layer.units
            for direction in ("forward", "backward")[: 2 if layer.bidirectional else 1]:
                prefix = f"layers.{i}.{direction}_direction"
                shapes[f"{prefix}.kernel"] = (size, width)
                shapes[f"{prefix}.recurrent_kernel"] = (layer.units, width)
                shapes[f"{prefix}.bias"] = (2, width) if layer.kind == "gru" else (width,)
            size = layer.output_size
        for i, (units, _) in enumerate(self.head):
            shapes[f"head.{i}.kernel"], shapes[f"head.{i}.bias"] = (size, units), (units,)
            size = units
        shapes["output.kernel"], shapes["output.bias"] = (size, self.n_outputs), (self.n_outputs,)
        return shapes

    def training_operations(self, n_tokens: float) -> float:
        """Return the floating-point operations of the matrix products of a step: forward and twice that backward.

        The first layer's input product is left out where the vocabulary is smaller than the batch, because it is then
        a gather from a small table.
        """
        operations, size = 0.0, self.input_size
        for i, layer in enumerate(self.layers):
            if i or self.vocabulary_size > n_tokens:
                operations += 2 * size * GATES[layer.kind] * layer.output_size
            operations += 2 * layer.units * GATES[layer.kind] * layer.output_size
            size = layer.output_size
        return 3 * operations * n_tokens


def _bi(kind: str, units: int, count: int) -> tuple[Layer, ...]:
    return (Layer(kind, units, bidirectional=True),) * count


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("s4_emb", 300, 16, (Layer("simple-rnn", 8),), 2, "rmsprop", 64, 100, n_batches=128),
        Workload("s4_onehot", 300, None, (Layer("simple-rnn", 8),), 2, "rmsprop", 64, 100, n_batches=32),
        Workload(
            "s0_rnn", 1000, 64, (*_bi("simple-rnn", 64, 2), Layer("simple-rnn", 64)), 3, "adam", 32, 500, texts="seoul"
        ),
        Workload("s0_lstm", 1000, 64, _bi("lstm", 64, 3), 3, "adam", 32, 500, head=((16, "linear"),), texts="seoul"),
        Workload("s0_gru", 1000, 64, _bi("gru", 64, 2), 3, "adam", 32, 500, head=((16, "linear"),), texts="seoul"),
        Workload("practical", 20_000, 128, _bi("lstm", 128, 1), 2, "adam", 64, 240, head=((64, "relu"),)),
    )
}

_SWEPT = Workload("swept", 1000, 64, (Layer("lstm", 64),), 2, "adam", 32, 100, n_batches=4)

SWEEPS: dict[str, list[tuple[int, Workload]]] = {
    "timesteps": [
        (n, dataclasses.replace(_SWEPT, name=f"timesteps_{n}", n_timesteps=n))
        for n in (50, 100, 250, 500, 1000, 2000, 4000)
    ],
    "units": [
        (n, dataclasses.replace(_SWEPT, name=f"units_{n}", layers=(Layer("lstm", n),)))
        for n in (8, 16, 32, 64, 128, 256, 512, 1024)
    ],
    "batch size": [
        (n, dataclasses.replace(_SWEPT, name=f"batch_{n}", batch_size=n))
        for n in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    ],
}
