"""A recurrent classifier: token ids in, logits out."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor, nn

from sulsul.errors import DataError, SpecificationError
from sulsul.model import loss as losses
from sulsul.model.dense import Dense
from sulsul.model.inputs import Embedding, OneHot, RawIds, SummedEmbedding
from sulsul.model.normalization import BatchNorm
from sulsul.model.packed_batch import PackedBatch
from sulsul.model.pooling import AttentionPooling, LastPooling, MaxPooling, MeanPooling
from sulsul.model.recurrence import Backend
from sulsul.model.recurrence_inputs import TokenInput
from sulsul.model.recurrent import Recurrent
from sulsul.model.specification import (
    BatchNormLayer,
    DenseLayer,
    DropoutLayer,
    EmbeddingInput,
    HeadLayer,
    ModelSpecification,
    OneHotInput,
    RecurrentLayer,
    SequenceLayer,
    SummedEmbeddingInput,
)

Pooling = LastPooling | MeanPooling | MaxPooling | AttentionPooling


class Classifier(nn.Module):
    """Input, sequence layers, pooling, dense head and output, as a specification describes them.

    Parameters keep Keras's layout and gate order under names that a saved classifier relies on: ``input.weight``,
    ``layers.{i}.forward_direction.kernel`` (``.recurrent_kernel``, ``.bias``; ``backward_direction`` likewise),
    ``layers.{i}.gamma`` (``beta``, ``moving_mean``, ``moving_variance``), ``pooling.query``, ``head.{i}.kernel``,
    ``head.{i}.bias``, ``output.kernel``, ``output.bias``.

    Dropout draws from torch's global generator, so whoever trains seeds it, and saves its state to resume.

    Parameters
    ----------
    specification
        The network.
    vocabulary_size
        Number of token ids V, 0 … V-1; under a ``summed-embedding`` input of rows that words are sums of.
    n_classes
        Number of classes C.
    multi_label
        Whether a text may have several labels.
    pad_to
        Number of tokens in every text; needed by a ``raw-ids`` input only.
    seed
        Seed of the initial weights.
    vectors : shape (V, E), optional
        Initial embedding; a row with NaN keeps its random numbers.
    backend
        What computes the recurrence: ``native``, ``torch``, or ``auto``.

    Raises
    ------
    SpecificationError
        If the specification cannot be built: a ``raw-ids`` input without ``pad_to``, an output that cannot express the
        classes, vectors of another shape or without an embedding.
    KernelError
        If ``native`` is asked for and cannot run a layer.

    Examples
    --------
    >>> classifier = Classifier(ModelSpecification(), vocabulary_size=100, n_classes=3)
    >>> classifier(PackedBatch.from_sequences([[1, 2, 3], [], [4]])).shape
    torch.Size([3, 3])
    """

    def __init__(
        self,
        specification: ModelSpecification,
        *,
        vocabulary_size: int,
        n_classes: int,
        multi_label: bool = False,
        pad_to: int | None = None,
        seed: int = 0,
        vectors: npt.NDArray[np.floating] | None = None,
        backend: Backend = "auto",
    ) -> None:
        super().__init__()
        self.specification = specification
        self.vocabulary_size = vocabulary_size
        self.n_classes = n_classes
        self.multi_label = multi_label
        self.pad_to = pad_to
        self.backend: Backend = backend
        self.output_kind = specification.resolved_output(n_classes, multi_label=multi_label)
        generator = torch.Generator().manual_seed(seed)
        self.input, size = _build_input(specification, vocabulary_size, pad_to, generator, vectors)
        self.layers = nn.ModuleList()
        n_backward = 0
        for layer in specification.layers:
            self.layers.append(_build_sequence_layer(layer, size, generator, backend))
            if isinstance(layer, RecurrentLayer):
                size = layer.output_size
                n_backward = layer.units if layer.bidirectional else 0
        self.pooling = _build_pooling(specification.pooling, size, n_backward, generator)
        self.head = nn.ModuleList()
        for head_layer in specification.head:
            self.head.append(_build_head_layer(head_layer, size, generator))
            size = head_layer.units if isinstance(head_layer, DenseLayer) else size
        n_logits = specification.logits_for(n_classes, multi_label=multi_label)
        self.output = Dense(DenseLayer(units=n_logits, activation="linear"), size, generator)

    def forward(self, batch: PackedBatch) -> Tensor:
        """Return the logits (B, L) of a batch in the caller's order; L is 1 for a sigmoid output, C otherwise.

        Raises
        ------
        DataError
            If a token id is outside the vocabulary, the texts of a ``raw-ids`` input are not all padded, or those of a
            ``summed-embedding`` input, and of no other, do not come with their word types.
        """
        self._check_types(batch)
        inputs, rows = self.input(batch)
        try:
            return self.forward_from_inputs(inputs, rows)
        except IndexError as error:
            low, high = batch.token_ids.aminmax()
            raise DataError(
                f"the texts hold token ids from {int(low)} to {int(high)}, but the model's vocabulary has ids 0 to "
                f"{self.vocabulary_size - 1}; encode them with the tokenizer the model was trained with"
            ) from error

    def _check_types(self, batch: PackedBatch) -> None:
        kind = self.specification.input.kind
        if (batch.types is None) == (kind == "summed-embedding"):
            raise DataError(
                f"a {kind} input reads texts {'without' if batch.types is not None else 'with'} word types; encode "
                "them with the tokenizer the model was trained with"
            )

    def embed(self, batch: PackedBatch) -> tuple[Tensor, PackedBatch]:
        """Return the embedded tokens (N, E) of a batch and the batch they belong to, for :meth:`forward_from_inputs`.

        Raises
        ------
        DataError
            As :meth:`forward` does.
        SpecificationError
            If the input has no table.
        """
        self._check_types(batch)
        inputs, rows = self.input(batch)
        return _rows(inputs), rows

    def forward_from_inputs(self, inputs: Tensor | TokenInput, batch: PackedBatch) -> Tensor:
        """Return the logits (B, L), in the caller's order, of packed rows (N, I) or token ids.

        Rows may be embedded tokens: this is where an explanation by gradients enters.
        """
        pooled = self.pooling(self.encode(inputs, batch), batch)
        for layer in self.head:
            pooled = layer(pooled)
        logits: Tensor = self.output(pooled)
        return logits.index_select(0, batch.inverse_order)

    def encode(self, inputs: Tensor | TokenInput, batch: PackedBatch) -> Tensor:
        """Return the packed rows (N, F) that the last sequence layer puts out."""
        hidden = inputs if isinstance(inputs, TokenInput) else inputs.to(self.output.kernel.dtype)
        for layer in self.layers:
            hidden = layer(hidden, batch) if isinstance(layer, Recurrent) else layer(_rows(hidden))
        return _rows(hidden)

    def loss(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        class_weights: Tensor | None = None,
        sample_weights: Tensor | None = None,
    ) -> Tensor:
        """Return the training loss; see :func:`sulsul.model.loss.classification_loss`."""
        return losses.classification_loss(
            logits, targets, self.output_kind, class_weights=class_weights, sample_weights=sample_weights
        )

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return class probabilities (B, C): two columns [1 - p, p] for a sigmoid output."""
        return losses.probabilities(logits, self.output_kind)

    def resolved_backend(self) -> Literal["native", "torch", "none", "mixed"]:
        """Return what computes the recurrent layers: ``none`` without any, ``mixed`` where only some run natively."""
        backends = {layer.resolved_backend() for layer in self.layers if isinstance(layer, Recurrent)}
        if len(backends) > 1:
            return "mixed"
        return backends.pop() if backends else "none"


def _rows(inputs: Tensor | TokenInput) -> Tensor:
    """Return the rows (N, I) that token ids stand for."""
    if not isinstance(inputs, TokenInput):
        return inputs
    if inputs.table is None:
        raise SpecificationError("a one-hot input must be followed by a recurrent layer")
    return nn.functional.embedding(inputs.token_ids, inputs.table)


def _build_input(
    specification: ModelSpecification,
    vocabulary_size: int,
    pad_to: int | None,
    generator: Generator,
    vectors: npt.NDArray[np.floating] | None,
) -> tuple[OneHot | Embedding | SummedEmbedding | RawIds, int]:
    """Return the input module and its number of features."""
    settings = specification.input
    if vectors is not None and not isinstance(settings, EmbeddingInput):
        raise SpecificationError(
            f"model.input.kind '{settings.kind}' has no table to fill with vectors; use 'embedding'"
        )
    if isinstance(settings, OneHotInput):
        return OneHot(), vocabulary_size
    if isinstance(settings, EmbeddingInput):
        return Embedding(settings, vocabulary_size, generator, vectors), settings.size
    if isinstance(settings, SummedEmbeddingInput):
        return SummedEmbedding(settings, vocabulary_size, generator), settings.size
    if pad_to is None:
        raise SpecificationError(
            "model.input.kind 'raw-ids' needs texts of one length: set text.pad_to and text.max_length"
        )
    return RawIds(pad_to), pad_to


def _build_sequence_layer(layer: SequenceLayer, size: int, generator: Generator, backend: Backend) -> nn.Module:
    if isinstance(layer, RecurrentLayer):
        return Recurrent(layer, size, generator, backend=backend)
    if isinstance(layer, BatchNormLayer):
        return BatchNorm(layer, size)
    return nn.Dropout(layer.rate)


def _build_head_layer(layer: HeadLayer, size: int, generator: Generator) -> nn.Module:
    return nn.Dropout(layer.rate) if isinstance(layer, DropoutLayer) else Dense(layer, size, generator)


def _build_pooling(
    kind: Literal["last", "mean", "max", "attention"], size: int, n_backward: int, generator: Generator
) -> Pooling:
    match kind:
        case "last":
            return LastPooling(n_backward)
        case "mean":
            return MeanPooling()
        case "max":
            return MaxPooling()
        case "attention":
            return AttentionPooling(size, generator)
