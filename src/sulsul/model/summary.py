"""A table of a classifier's layers, shapes and parameter counts, as Keras prints it."""

from collections import Counter
from dataclasses import dataclass

from torch import nn

from sulsul.model.classifier import Classifier
from sulsul.model.dense import Dense
from sulsul.model.inputs import OneHot, RawIds
from sulsul.model.normalization import BatchNorm
from sulsul.model.pooling import AttentionPooling, LastPooling, MaxPooling, MeanPooling
from sulsul.model.recurrent import Recurrent

Shape = tuple[int | None, ...]

_KERAS_CLASSES = {"simple-rnn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}
_NAMES = {
    "SimpleRNN": "simple_rnn",
    "GRU": "gru",
    "LSTM": "lstm",
    "OneHot": "one_hot",
    "RawIds": "raw_ids",
    "SummedEmbedding": "summed_embedding",
    "BatchNormalization": "batch_normalization",
    "GlobalAveragePooling1D": "global_average_pooling1d",
    "GlobalMaxPooling1D": "global_max_pooling1d",
    "AttentionPooling": "attention_pooling",
    "LastTimestep": "last_timestep",
}
_POOLINGS = {
    MeanPooling: "GlobalAveragePooling1D",
    MaxPooling: "GlobalMaxPooling1D",
    AttentionPooling: "AttentionPooling",
    LastPooling: "LastTimestep",
}


@dataclass(frozen=True)
class SummaryRow:
    """One layer: Keras's name and class, output shape with ``None`` for what varies, and number of parameters."""

    name: str
    layer_class: str
    output_shape: Shape
    n_parameters: int


@dataclass(frozen=True)
class Summary:
    """The layers of a classifier and its parameter counts.

    Attributes
    ----------
    rows
        One per layer that Keras would print, in order.
    n_trainable, n_non_trainable
        Numbers of parameters; moving statistics and frozen tables are not trainable.
    size_bytes
        Bytes all of them take.
    backend
        What computes the recurrence: ``native``, ``torch``, ``mixed``, or ``none``.
    """

    rows: tuple[SummaryRow, ...]
    n_trainable: int
    n_non_trainable: int
    size_bytes: int
    backend: str

    @property
    def n_parameters(self) -> int:
        """Number of parameters, trainable or not."""
        return self.n_trainable + self.n_non_trainable

    def render(self) -> str:
        """Return the table as text."""
        header = ("Layer (type)", "Output Shape", "Param #")
        cells = [
            (f"{row.name} ({row.layer_class})", str(row.output_shape), f"{row.n_parameters:,}") for row in self.rows
        ]
        widths = [max(len(line[column]) for line in [header, *cells]) for column in range(3)]
        rule = "-" * (sum(widths) + 4)
        lines = [f"{line[0]:<{widths[0]}}  {line[1]:<{widths[1]}}  {line[2]:>{widths[2]}}" for line in [header, *cells]]
        return "\n".join(
            [
                lines[0],
                rule,
                *lines[1:],
                rule,
                f"Total params: {self.n_parameters:,} ({_readable_size(self.size_bytes)})",
                f"Trainable params: {self.n_trainable:,}",
                f"Non-trainable params: {self.n_non_trainable:,}",
                f"Recurrence backend: {self.backend}",
            ]
        )


def summarise(classifier: Classifier) -> Summary:
    """Return the summary of a classifier.

    Examples
    --------
    >>> from sulsul.model.specification import ModelSpecification, OneHotInput, RecurrentLayer
    >>> specification = ModelSpecification(
    ...     input=OneHotInput(), layers=(RecurrentLayer(kind="simple-rnn", units=8),), pooling="last"
    ... )
    >>> print(summarise(Classifier(specification, vocabulary_size=300, n_classes=2, backend="torch")).render())
    Layer (type)            Output Shape       Param #
    --------------------------------------------------
    one_hot (OneHot)        (None, None, 300)        0
    simple_rnn (SimpleRNN)  (None, 8)            2,472
    dense (Dense)           (None, 1)                9
    --------------------------------------------------
    Total params: 2,481 (9.69 KB)
    Trainable params: 2,481
    Non-trainable params: 0
    Recurrence backend: torch
    """
    seen: Counter[str] = Counter()
    rows = tuple(
        SummaryRow(_unique_name(layer_class, seen), layer_class, shape, _count(module))
        for layer_class, shape, module in _layers(classifier)
    )
    tensors = [*classifier.parameters(), *classifier.buffers()]
    n_trainable = sum(tensor.numel() for tensor in tensors if tensor.requires_grad)
    return Summary(
        rows=rows,
        n_trainable=n_trainable,
        n_non_trainable=sum(tensor.numel() for tensor in tensors) - n_trainable,
        size_bytes=sum(tensor.numel() * tensor.element_size() for tensor in tensors),
        backend=classifier.resolved_backend(),
    )


def _layers(classifier: Classifier) -> list[tuple[str, Shape, nn.Module]]:
    """Return class, output shape and module of every layer, in order.

    A final recurrent layer whose last state is pooled is, in Keras, one layer with ``return_sequences=False``.
    """
    layers = [_input_layer(classifier)]
    n_timesteps = 1 if isinstance(classifier.input, RawIds) else classifier.pad_to
    size = layers[0][1][-1]
    for module in classifier.layers:
        layer_class, size = _describe(module, size)
        layers.append((layer_class, (None, n_timesteps, size), module))
    last_class, _, last_module = layers[-1]
    if isinstance(classifier.pooling, LastPooling) and isinstance(last_module, Recurrent):
        layers[-1] = (last_class, (None, size), last_module)
    else:
        layers.append((_POOLINGS[type(classifier.pooling)], (None, size), classifier.pooling))
    for module in [*classifier.head, classifier.output]:
        layer_class, size = _describe(module, size)
        layers.append((layer_class, (None, size), module))
    return layers


def _input_layer(classifier: Classifier) -> tuple[str, Shape, nn.Module]:
    module = classifier.input
    if isinstance(module, RawIds):
        return "RawIds", (None, 1, module.pad_to), module
    if isinstance(module, OneHot):
        return "OneHot", (None, classifier.pad_to, classifier.vocabulary_size), module
    return type(module).__name__, (None, classifier.pad_to, module.weight.shape[1]), module


def _describe(module: nn.Module, size: int | None) -> tuple[str, int | None]:
    """Return Keras's class and the number of features that come out."""
    if isinstance(module, Recurrent):
        layer = module.layer
        return "Bidirectional" if layer.bidirectional else _KERAS_CLASSES[layer.kind], layer.output_size
    if isinstance(module, Dense):
        return "Dense", module.layer.units
    return "BatchNormalization" if isinstance(module, BatchNorm) else "Dropout", size


def _unique_name(layer_class: str, seen: Counter[str]) -> str:
    name = _NAMES.get(layer_class, layer_class.lower())
    seen[name] += 1
    return name if seen[name] == 1 else f"{name}_{seen[name] - 1}"


def _count(module: nn.Module) -> int:
    return sum(tensor.numel() for tensor in [*module.parameters(), *module.buffers()])


def _readable_size(size_bytes: int) -> str:
    for factor, unit in ((1024**3, "GB"), (1024**2, "MB"), (1024, "KB")):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.2f} {unit}"
    return f"{size_bytes} B"
