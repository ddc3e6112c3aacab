"""Texts and labels as the data checks look at them, with what several checks share worked out once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from sulsul.corpora import Corpus, DataSettings, SplitSettings
from sulsul.doctor.data.words import WordTable, count_words
from sulsul.report.record import Split

Rows = npt.NDArray[np.int64]

# Everything but letters and digits: two texts that differ in nothing else are the same text.
_BESIDES_LETTERS = r"[^\p{L}\p{N}]+"
LONG_KEY = 20
"""From so many letters on, equal texts are hardly a coincidence; short reviews ("great!") repeat by themselves."""


@dataclass(frozen=True, eq=False)
class DataEvidence:
    """A corpus, how it is divided, and how it was asked for.

    Attributes
    ----------
    splits
        Positions in the corpus by split; empty where it is not divided yet.
    split_settings
        How it was or would be divided.
    """

    corpus: Corpus
    splits: Mapping[Split, Rows] = field(default_factory=dict)
    settings: DataSettings = field(default_factory=DataSettings)
    split_settings: SplitSettings = field(default_factory=SplitSettings)

    @cached_property
    def headline(self) -> Split | None:
        """The split whose scores count: test, else validation; None where there is neither."""
        order: tuple[Split, ...] = ("test", "validation")
        return next((name for name in order if name in self.splits), None)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class names in order; empty without labels and for label sets."""
        labels = self.corpus.labels
        if labels is None or self.corpus.multi_label:
            return ()
        return tuple(labels.drop_nulls().unique().sort().to_list())

    @cached_property
    def class_ids(self) -> Rows:
        """int64 (B,): position of each text's label in :attr:`classes`, -1 where it has none or several."""
        if not self.classes:
            return np.full(len(self.corpus), -1, dtype=np.int64)
        assert self.corpus.labels is not None
        ids = pl.DataFrame({"label": self.corpus.labels}).join(
            pl.DataFrame({"label": self.classes, "id": range(len(self.classes))}),
            on="label",
            how="left",
            maintain_order="left",
        )
        return ids["id"].fill_null(-1).to_numpy().astype(np.int64)

    @cached_property
    def answers(self) -> pl.Series:
        """String: the label of each text, or its labels in order ("none" for no label); null where it is not known."""
        labels = self.corpus.labels
        if labels is None:
            return pl.Series("answer", [None] * len(self.corpus), dtype=pl.String)
        if self.corpus.multi_label:
            return labels.list.sort().list.join(" + ").replace("", "none").alias("answer")
        return labels.alias("answer")

    @cached_property
    def answer_ids(self) -> Rows:
        """int64 (B,): equal for equal :attr:`answers`; -1 where there is none."""
        return self.answers.rank("dense").cast(pl.Int64).fill_null(-1).to_numpy().astype(np.int64)

    @cached_property
    def keys(self) -> pl.Series:
        """The letters and digits of each text in lower case: equal for texts that differ in nothing else."""
        return letters_and_digits(self.corpus.texts).alias("key")

    @cached_property
    def key_ids(self) -> Rows:
        """int64 (B,): equal for equal :attr:`keys`; -1 for texts without a letter or digit."""
        ids = self.keys.rank("dense").to_numpy().astype(np.int64)
        ids[(self.keys == "").to_numpy()] = -1
        return ids

    @cached_property
    def is_long(self) -> npt.NDArray[np.bool_]:
        """Bool (B,): whether a text has at least :data:`LONG_KEY` letters and digits."""
        return (self.keys.str.len_chars() >= LONG_KEY).to_numpy()

    @cached_property
    def words(self) -> WordTable:
        """The words of the texts, or of an evenly spaced sample of them."""
        return count_words(self.corpus.texts)


def letters_and_digits(texts: pl.Series) -> pl.Series:
    """Return the letters and digits of each text in lower case."""
    return texts.str.to_lowercase().str.replace_all(_BESIDES_LETTERS, "")
