"""Files of labelled texts, read and split."""

from sulsul.corpora.corpus import Corpus, CorpusAudit, Sequences, SourceFile
from sulsul.corpora.reading import read_corpus
from sulsul.corpora.settings import DataSettings, SplitSettings
from sulsul.corpora.splits import Splits, split_corpus

__all__ = [
    "Corpus",
    "CorpusAudit",
    "DataSettings",
    "Sequences",
    "SourceFile",
    "SplitSettings",
    "Splits",
    "read_corpus",
    "split_corpus",
]
