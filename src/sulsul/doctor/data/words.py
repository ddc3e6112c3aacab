"""How often which words occur in which texts."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

# A word is a run of letters, digits and underscores, as the linear baselines have it.
_WORD = r"[\p{L}\p{N}_]+"
_MOST_CHARACTERS = 8_000_000


@dataclass(frozen=True, eq=False)
class WordTable:
    """Words of some texts.

    Attributes
    ----------
    positions
        int64 (S,): positions in the corpus of the texts that were looked at.
    occurrences
        Columns ``text`` (index into ``positions``), ``word`` and ``n``: how often that text holds that word.
    """

    positions: npt.NDArray[np.int64]
    occurrences: pl.DataFrame

    @cached_property
    def by_word(self) -> pl.DataFrame:
        """Columns ``word``, ``n`` (occurrences) and ``n_texts``, the most frequent first, ties by spelling."""
        grouped = self.occurrences.group_by("word").agg(pl.col("n").sum(), pl.len().alias("n_texts"))
        return grouped.sort(["n", "word"], descending=[True, False])


def count_words(texts: pl.Series) -> WordTable:
    """Count the lower-cased words of each text; of a large corpus, of every k-th text (8 million characters)."""
    n_characters = int(texts.str.len_chars().sum() or 0)
    step = max(1, -(-n_characters // _MOST_CHARACTERS))
    positions = np.arange(0, len(texts), step, dtype=np.int64)
    words = texts.gather_every(step).str.to_lowercase().str.extract_all(_WORD)
    frame = pl.DataFrame({"text": np.arange(len(positions), dtype=np.int64), "word": words})
    exploded = frame.explode("word").drop_nulls("word")
    return WordTable(positions, exploded.group_by(["text", "word"]).agg(pl.len().cast(pl.Int64).alias("n")))
