"""A validated description of a recurrent classifier, independent of data and of torch."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sulsul.errors import SpecificationError

OutputKind = Literal["sigmoid", "softmax", "multi-label"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OneHotInput(_Frozen):
    """Each token is a one-hot row; never materialised: a lookup of the first layer's kernel."""

    kind: Literal["one-hot"] = "one-hot"


class EmbeddingInput(_Frozen):
    """Each token is a row of a table, random (Keras's uniform ±0.05) or read from a ``.vec`` text file."""

    kind: Literal["embedding"] = "embedding"
    size: int = Field(default=64, ge=1)
    trainable: bool = True
    vectors: str | None = Field(default=None, description="word2vec/fastText text file")


class SummedEmbeddingInput(_Frozen):
    """Each token is the sum of rows of a table: its word's and those of its character n-grams (``text.ngrams``).

    Bojanowski et al. 2017, "Enriching word vectors with subword information", as the input of a recurrent network.
    """

    kind: Literal["summed-embedding"] = "summed-embedding"
    size: int = Field(default=64, ge=1)
    initial_limit: float = Field(
        default=0.0125,
        gt=0.0,
        description="Rows begin uniform within ± this; Keras's 0.05 over the root of 16 rows, so that their sum is as "
        "large as one row of a plain embedding",
    )


class RawIdsInput(_Frozen):
    """One timestep whose features are the padded token ids themselves: a notebook's mistake, kept repeatable."""

    kind: Literal["raw-ids"] = "raw-ids"


class RecurrentLayer(_Frozen):
    """A recurrent layer as Keras defines it."""

    kind: Literal["simple-rnn", "gru", "lstm"]
    units: int = Field(ge=1)
    activation: Literal["tanh", "relu"] = "tanh"
    bidirectional: bool = False
    reset_after: bool = Field(default=True, description="GRU only: Keras 2/3 (true) or the 2014 form (false)")

    @model_validator(mode="after")
    def _gru_options(self) -> Self:
        if self.kind == "gru" and self.activation != "tanh":
            raise ValueError("a gru layer supports activation 'tanh' only")
        if self.kind != "gru" and not self.reset_after:
            raise ValueError("reset_after belongs to gru layers only")
        return self

    @property
    def n_gates(self) -> int:
        """Number of gates G: the blocks of ``units`` columns in a kernel."""
        return {"simple-rnn": 1, "gru": 3, "lstm": 4}[self.kind]

    @property
    def n_directions(self) -> int:
        """Number of directions D."""
        return 2 if self.bidirectional else 1

    @property
    def output_size(self) -> int:
        """Features per timestep, D·H."""
        return self.n_directions * self.units


class DropoutLayer(_Frozen):
    """Inverted dropout with an independent mask per value."""

    kind: Literal["dropout"] = "dropout"
    rate: float = Field(ge=0.0, lt=1.0)


class BatchNormLayer(_Frozen):
    """Batch normalisation over the feature axis with Keras's defaults."""

    kind: Literal["batch-norm"] = "batch-norm"
    momentum: float = Field(default=0.99, gt=0.0, lt=1.0, description="Share of the old running statistic kept")
    epsilon: float = Field(default=1e-3, gt=0.0)


class DenseLayer(_Frozen):
    """A fully connected layer on the pooled vector."""

    kind: Literal["dense"] = "dense"
    units: int = Field(ge=1)
    activation: Literal["linear", "relu", "tanh"] = "relu"


INPUTS = (OneHotInput, EmbeddingInput, SummedEmbeddingInput, RawIdsInput)
Input = Annotated[OneHotInput | EmbeddingInput | SummedEmbeddingInput | RawIdsInput, Field(discriminator="kind")]
SequenceLayer = Annotated[RecurrentLayer | DropoutLayer | BatchNormLayer, Field(discriminator="kind")]
HeadLayer = Annotated[DenseLayer | DropoutLayer, Field(discriminator="kind")]


class ModelSpecification(_Frozen):
    """A recurrent classifier: input, sequence layers, pooling, dense head and output.

    ``layers`` may be empty: the pooled inputs alone, the control without recurrence.
    """

    input: Input = EmbeddingInput()
    layers: tuple[SequenceLayer, ...] = (RecurrentLayer(kind="lstm", units=64, bidirectional=True),)
    pooling: Literal["last", "mean", "max", "attention"] = "max"
    head: tuple[HeadLayer, ...] = ()
    output: Literal["auto", "sigmoid", "softmax", "multi-label"] = Field(
        default="auto",
        description="auto: sigmoid for 2 classes, softmax for more, multi-label where labels are sets",
    )
    initializer: Literal["keras"] = "keras"

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.input.kind == "one-hot" and not (self.layers and isinstance(self.layers[0], RecurrentLayer)):
            raise ValueError("a one-hot input must be followed by a recurrent layer; use an embedding without one")
        return self

    def logits_for(self, n_classes: int, *, multi_label: bool = False) -> int:
        """Return the number of logits for ``n_classes``.

        Raises
        ------
        SpecificationError
            If the output cannot express the classes: softmax with 1 class, sigmoid with 3, or a multi-label
            task with a single-label output.
        """
        kind = self.resolved_output(n_classes, multi_label=multi_label)
        return 1 if kind == "sigmoid" else n_classes

    def resolved_output(self, n_classes: int, *, multi_label: bool = False) -> OutputKind:
        """Return the output kind with ``auto`` decided; see :meth:`logits_for` for what is refused."""
        if n_classes < 1 or (n_classes < 2 and not multi_label):
            raise SpecificationError(f"a classifier needs at least 2 classes, not {n_classes}")
        output = self.output
        if output == "auto":
            output = "multi-label" if multi_label else ("sigmoid" if n_classes == 2 else "softmax")
        if multi_label and output != "multi-label":
            raise SpecificationError(
                f"output {output!r} gives one label per text, but the labels are sets; use 'multi-label'"
            )
        if not multi_label and output == "multi-label":
            raise SpecificationError("output 'multi-label' needs label sets: give data.label_separator")
        if output == "sigmoid" and n_classes != 2:
            raise SpecificationError(f"output 'sigmoid' is for 2 classes, not {n_classes}; use 'softmax'")
        return output
