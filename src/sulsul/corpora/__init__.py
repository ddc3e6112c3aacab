"""Files of labelled texts, read and split."""

from sulsul.corpora.corpus import Corpus, CorpusAudit, Sequences, SourceFile
from sulsul.corpora.npz import check_token_ids
from sulsul.corpora.parts import read_splits
from sulsul.corpora.reading import read_corpus
from sulsul.corpora.settings import DataSettings, SplitSettings
from sulsul.corpora.splits import Splits, split_corpus
from sulsul.corpora.streaming import iter_texts

__all__ = [
    "Corpus",
    "CorpusAudit",
    "DataSettings",
    "Sequences",
    "SourceFile",
    "SplitSettings",
    "Splits",
    "check_token_ids",
    "iter_texts",
    "read_corpus",
    "read_splits",
    "split_corpus",
]
