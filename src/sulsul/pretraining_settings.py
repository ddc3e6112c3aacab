"""What can be chosen about texts without labels, and about learning an encoder from them."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sulsul.none_word import NONE_IS_A_WORD


class PretrainingSettings(BaseModel):
    """Where a pretrained encoder comes from, and how one is made.

    With ``encoder`` a run starts from a pretrained one, with ``unlabelled`` alone it makes one first, unless
    ``transfer`` is "none"; everything else describes the making. Seed, threads and clipping are those of ``training``.
    The unlabelled texts serve ``training.virtual_adversarial`` too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    encoder: str | None = Field(default=None, description="Folder of a pretrained encoder to start from")
    transfer: Annotated[Literal["all", "table", "ngrams", "none"], NONE_IS_A_WORD] = Field(
        default="all",
        description="What is taken from the encoder: all of it; table and n-gram vectors; n-gram vectors alone, which "
        "are learned in minutes; none makes no encoder of the unlabelled texts",
    )
    unlabelled: tuple[str, ...] = Field(
        default=(), description="Files of texts to pretrain on first, with the training texts and rows without a label"
    )
    epochs: int = Field(default=6, ge=1, description="Passes over the texts, at most")
    minutes: float | None = Field(
        default=None, gt=0.0, description="Time limit; the learning rate falls in its last fifth"
    )
    patience: int = Field(default=3, ge=1, description="Looks at the held-out texts without improvement")
    batch_tokens: int = Field(default=4096, ge=2, description="Tokens per step, about")
    segment_length: int = Field(
        default=128, ge=2, description="Longer texts are cut into segments of at most so many tokens"
    )
    learning_rate: float = Field(default=2e-3, gt=0.0)
    warmup_steps: int = Field(default=200, ge=0)
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0, description="Of the states that predict")
    output_words: int = Field(default=20_000, ge=2, description="Only so many of the most frequent words are predicted")
    negatives: int = Field(
        default=512, ge=1, description="Words drawn for each step, against which every word is predicted"
    )
    ngram_vectors: int = Field(
        default=256,
        ge=0,
        multiple_of=16,
        description="Size of the n-gram vectors that the linear part gets from the same texts; 0: none",
    )
    ngram_epochs: int = Field(default=10, ge=1, description="Passes over the texts to learn them")
    ngram_rows: int = Field(default=300_000, ge=1, description="Only so many of the most frequent n-grams have one")
    held_out: float = Field(default=0.01, gt=0.0, lt=1.0, description="Share of the texts to measure perplexity on")

    @model_validator(mode="after")
    def _takes_something(self) -> Self:
        if self.encoder is not None and self.transfer == "none":
            raise ValueError(
                "transfer=none takes nothing from an encoder: leave encoder out, or take 'all', 'table' or 'ngrams'"
            )
        return self

    @model_validator(mode="after")
    def _learns_ngrams(self) -> Self:
        if self.transfer == "ngrams" and not self.ngram_vectors:
            raise ValueError("transfer=ngrams takes n-gram vectors alone: ngram_vectors must not be 0")
        return self

    @property
    def is_used(self) -> bool:
        """Whether a run uses texts without labels, or an encoder made of them."""
        return self.encoder is not None or bool(self.unlabelled)

    @property
    def makes_encoder(self) -> bool:
        """Whether a run makes an encoder first."""
        return bool(self.unlabelled) and self.encoder is None and self.transfer != "none"
