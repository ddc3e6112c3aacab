"""What can be chosen about turning a text into token ids."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

LONGEST_NGRAM = 32

Reserved = Literal["pad", "start", "oov", "unused"]


class TextSettings(BaseModel):
    """How a text becomes a sequence of token ids.

    The ids of ``reserved`` are their positions in it; words follow in order of falling frequency.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokenizer: Literal["word", "char", "subword", "morpheme", "ids"] = Field(
        default="word", description="`ids`: texts are token ids in figures, as imported networks read them"
    )
    vocabulary_size: int = Field(default=20_000, ge=2, description="Number of ids, reserved ones included")
    min_frequency: int = Field(default=1, ge=1, description="A token seen less often in training is unknown")
    lowercase: bool = True
    filter_punctuation: bool = Field(
        default=True, description="`word` only: treat Keras's punctuation set as white space"
    )
    delete_punctuation: bool = Field(
        default=False, description="`word` only: instead delete ASCII's marks, as Keras's TextVectorization does"
    )
    ngrams: tuple[int, int] | None = Field(
        default=None,
        description="`word` only: shortest and longest character n-gram; a word is the sum of its own embedding and "
        "theirs (needs model.input.kind 'summed-embedding')",
    )
    ngram_vocabulary_size: int = Field(default=200_000, ge=1, description="Most n-grams that have a row of their own")
    ngram_min_frequency: int = Field(default=1, ge=1, description="An n-gram seen less often in training has no row")
    ngram_buckets: int | None = Field(
        default=None, ge=1, le=2**24, description="Hash n-grams (FNV-1a) to so many rows instead of learning them"
    )
    reserved: tuple[Reserved, ...] = Field(default=("pad", "oov"), description="Reserved ids from 0 on")
    max_length: int | None = Field(default=None, ge=1, description="Longest sequence kept, in tokens")
    truncate: Literal["front", "back"] = Field(default="back", description="The end that is cut away")
    pad_to: int | None = Field(default=None, ge=1, description="Recipes only: write PAD tokens up to this many tokens")
    pad_side: Literal["before", "after"] = "after"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.reserved)) != len(self.reserved):
            raise ValueError("reserved: each reserved token may be named once")
        if self.vocabulary_size <= len(self.reserved):
            raise ValueError("vocabulary_size must exceed the number of reserved ids")
        if self.delete_punctuation and (self.tokenizer != "word" or self.filter_punctuation):
            raise ValueError("delete_punctuation needs tokenizer 'word' and filter_punctuation false")
        self._check_ngrams()
        if self.pad_to is not None:
            if "pad" not in self.reserved:
                raise ValueError("pad_to needs 'pad' among the reserved ids")
            if self.max_length is None or self.max_length > self.pad_to:
                raise ValueError("pad_to needs max_length, not above pad_to")
        return self

    def _check_ngrams(self) -> None:
        if self.ngrams is None:
            if self.ngram_buckets is not None:
                raise ValueError("ngram_buckets needs ngrams, such as [1, 4]")
            return
        shortest, longest = self.ngrams
        if not 1 <= shortest <= longest <= LONGEST_NGRAM:
            raise ValueError(f"ngrams must be [shortest, longest] with 1 <= shortest <= longest <= {LONGEST_NGRAM}")
        if self.delete_punctuation:
            raise ValueError("ngrams and delete_punctuation exclude each other")
        if self.tokenizer != "word":
            raise ValueError(f"ngrams are of words: they need tokenizer 'word', not '{self.tokenizer}'")
