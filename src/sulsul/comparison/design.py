"""What every contender is trained on and judged by: one split, or the folds of a cross-validation."""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.bundle import rows_digest
from sulsul.comparison.shuffling import shuffle_words
from sulsul.corpora import Corpus, Splits, read_corpus, read_splits
from sulsul.corpora.folds import fold_splits
from sulsul.errors import SplitError
from sulsul.preparation import PreparedData, PreparedSplit, prepare_splits
from sulsul.report.record import Split
from sulsul.specification import RunSpecification
from sulsul.text import LabelEncoder

_MOST_PREPARED = 2
"""How many encodings are kept: as many as two tokenizers, or a network and its shuffled control, need."""


@dataclass(frozen=True, eq=False)
class Design:
    """The corpus and its division; the same for all contenders.

    Attributes
    ----------
    splits
        One, or one per fold.
    judged
        The split whose texts are judged: ``test``, or ``validation`` where there is no test split.
    """

    corpus: Corpus
    labels: LabelEncoder
    splits: tuple[Splits, ...]
    judged: Split
    _prepared: "OrderedDict[tuple[int, str], PreparedData]" = field(default_factory=OrderedDict, repr=False)

    @property
    def n_folds(self) -> int | None:
        """Number of folds, None without cross-validation."""
        return len(self.splits) if len(self.splits) > 1 else None

    @property
    def class_ids(self) -> npt.NDArray[Any]:
        """Class ids of the judged texts, fold after fold: int64 (B,), or multi-hot (B, C)."""
        part = self.corpus.select(np.concatenate([self.judged_rows(k) for k in range(len(self.splits))]))
        assert part.labels is not None
        ids: npt.NDArray[Any] = self.labels.encode(part.labels, part.rows, source=part.source)
        return ids

    def judged_rows(self, fold: int) -> npt.NDArray[np.int64]:
        """Return the rows that are judged in a fold."""
        rows: npt.NDArray[np.int64] = getattr(self.splits[fold], self.judged)
        return rows

    def digest(self, fold: int) -> str:
        """Return what identifies the texts and the division of a fold."""
        splits = self.splits[fold]
        parts = (rows_digest(rows) for rows in (splits.train, splits.validation, splits.test))
        return ":".join([self.corpus.fingerprint, self.judged, *parts])

    def prepare(self, specification: RunSpecification, fold: int) -> PreparedData:
        """Encode the splits of a fold, the vocabulary fitted on its training split alone."""
        key = (fold, specification.text.model_dump_json())
        if key not in self._prepared:
            self._prepared[key] = prepare_splits(self.corpus, self.splits[fold], specification, labels=self.labels)
            if len(self._prepared) > _MOST_PREPARED:
                self._prepared.popitem(last=False)
        self._prepared.move_to_end(key)
        return self._prepared[key]


def read_design(specification: RunSpecification, *, folds: int | None = None) -> Design:
    """Read the data of a specification and divide it into its split, or into folds.

    Raises
    ------
    DataError
        If the data cannot be read, or not be divided as asked.
    """
    if folds is None:
        corpus, splits = read_splits(specification.data, specification.split)
        judged: Split = "test" if len(splits.test) else "validation"
        if not len(getattr(splits, judged)):
            raise SplitError(f"{corpus.source}: a comparison needs a test or a validation split to judge by.")
        return Design(corpus, _labels(corpus.select(splits.train)), (splits,), judged)
    corpus = read_corpus(specification.data, split_column=specification.split.column)
    # Classes are numbered once for all folds, so that their predictions can be pooled; nothing else is shared.
    return Design(corpus, _labels(corpus), fold_splits(corpus, specification.split, folds), "test")


def shuffled(data: PreparedData, seed: int) -> PreparedData:
    """Return the same texts with the words of each in random order, another order for every seed and split."""
    splits: dict[Split, PreparedSplit] = {}
    for index, (name, split) in enumerate(data.splits.items()):
        stream = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
        encoded: EncodedCorpus = shuffle_words(split.encoded, data.tokenizer, seed=stream)
        splits[name] = replace(split, encoded=encoded)
    return replace(data, splits=splits)


def _labels(corpus: Corpus) -> LabelEncoder:
    assert corpus.labels is not None  # whoever read it for training refuses a source without labels
    return LabelEncoder.fit(corpus.labels)
