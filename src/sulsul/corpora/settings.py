"""What can be chosen about reading a table of labelled texts and splitting it."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class DataSettings(BaseModel):
    """Where the texts and labels are, and which of them to use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str | None = Field(default=None, description="Path, glob, cloud path or the name of a data set")
    format: Literal["auto", "csv", "tsv", "jsonl", "parquet", "folder", "npz"] = "auto"
    encoding: str = Field(default="auto", description="`auto` recognises UTF-8, UTF-16 and cp949")
    text: tuple[str, ...] = Field(default=(), description="Text columns, a line each; empty: guessed")
    label: str | None = Field(default=None, description="Label column; None: guessed")
    id: str | None = Field(default=None, description="Column carried through to predictions")
    label_separator: str | None = Field(
        default=None, description="Splits a cell into several labels: a multi-label task"
    )
    keep_classes: tuple[str, ...] = Field(default=(), description="Use only rows of these classes")
    word_index: str | None = Field(default=None, description="`npz` only: JSON file of word -> rank")
    limit: int | None = Field(default=None, ge=1, description="Use only the first rows")
    streaming: bool | Literal["auto"] = Field(
        default="auto", description="`train` only: keep texts and ids on disk; auto: for files of 1 GiB and more"
    )


class SplitSettings(BaseModel):
    """How rows are divided into training, validation and test.

    As in the notebooks, ``test`` is taken from all rows and ``validation`` from what then remains.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    validation: float = Field(default=0.1, ge=0.0, lt=1.0, description="Share of the rows left after test")
    test: float = Field(default=0.1, ge=0.0, lt=1.0, description="Share of all rows")
    validation_rows: int | None = Field(default=None, ge=1, description="Instead of a share")
    test_rows: int | None = Field(default=None, ge=1, description="Instead of a share")
    train_rows: int | None = Field(default=None, ge=1, description="Keep only so many training rows")
    stratify: bool = True
    seed: int = Field(default=42, ge=0, le=2**32 - 1)
    column: str | None = Field(default=None, description="Column holding train/validation/test instead")
    validation_source: str | None = Field(default=None, description="Separate validation file")
    test_source: str | None = Field(default=None, description="Separate test file")

    @model_validator(mode="after")
    def _one_way_to_split(self) -> Self:
        if self.column is not None and (self.validation_source or self.test_source):
            raise ValueError("column and validation_source/test_source exclude each other")
        return self
