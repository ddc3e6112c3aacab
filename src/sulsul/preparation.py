"""From a specification to encoded splits: read, split, fit on the training split only, encode."""

from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from sulsul.batching import EncodedCorpus
from sulsul.choices import Facts
from sulsul.corpora import Corpus, Splits, read_splits
from sulsul.encoder import Encoder, load_encoder
from sulsul.errors import SpecificationError
from sulsul.report.record import Split
from sulsul.specification import RunSpecification
from sulsul.text import LabelEncoder, Tokenizer
from sulsul.text.statistics import unknown_share

_SPLITS: tuple[Split, ...] = tuple(name for name in get_args(Split) if name != "data")


@dataclass(frozen=True)
class PreparedSplit:
    """One split.

    Attributes
    ----------
    rows
        int64 (B,): positions in the corpus.
    encoded
        Token ids and class ids.
    full_lengths
        int64 (B,): lengths in tokens before truncation and padding.
    unknown_share
        Share of the tokens, before truncation, that are outside the vocabulary.
    """

    rows: npt.NDArray[np.int64]
    encoded: EncodedCorpus
    full_lengths: npt.NDArray[np.int64]
    unknown_share: float


@dataclass(frozen=True)
class PreparedData:
    """Everything a run trains on and is judged by; only ``train`` was used to fit anything.

    ``splits`` holds the splits that have texts; ``split_note`` says in words how they were made. With an ``encoder``
    that has more than n-gram vectors the tokenizer is its own, and every network starts from its weights.
    ``unlabelled`` are texts for virtual adversarial training, encoded alike.
    """

    corpus: Corpus
    tokenizer: Tokenizer
    labels: LabelEncoder
    splits: dict[Split, PreparedSplit]
    split_note: str
    encoder: Encoder | None = None
    unlabelled: EncodedCorpus | None = None

    @property
    def train(self) -> PreparedSplit:
        """The training split."""
        return self.splits["train"]

    @property
    def facts(self) -> Facts:
        """Sizes of the training split, by which settings are chosen."""
        encoded = self.train.encoded
        return Facts(n_texts=len(encoded), n_classes=len(self.labels.classes), n_tokens=len(encoded.token_ids))

    @property
    def judged(self) -> dict[Split, PreparedSplit]:
        """The texts of each split that are judged: all of them."""
        return self.splits

    @property
    def sample(self) -> "PreparedData":
        """The texts that the doctor looks at and the linear baselines are fitted and judged on: all of them."""
        return self

    @property
    def sample_note(self) -> str | None:
        """Which figures are of a part of the texts: none."""
        return None

    def judged_texts(self, split: Split) -> pl.Series | None:
        """Return the texts of a split that are judged, for the parts of an answer that read them."""
        return self.texts(split)

    def texts(self, split: Split) -> pl.Series:
        """Return the texts of a split in its order."""
        return self.corpus.texts.gather(pl.Series(self.splits[split].rows, dtype=pl.Int64))


def prepare(specification: RunSpecification, *, encoder: Encoder | None = None) -> PreparedData:
    """Read, split, fit the tokenizer and the labels on the training split, and encode every split.

    Parameters
    ----------
    specification
        The run. Rows without a label are refused, unless texts without labels are asked for: then they are left out.
    encoder
        The one just pretrained on what ``pretraining.unlabelled`` names, if it is to be.

    Raises
    ------
    DataError
        If the data cannot be read, split or labelled as asked.
    SpecificationError
        If the model's output cannot express the classes found, or the encoder was made with other settings.
    BundleError
        If the encoder cannot be read.
    """
    drop = bool(specification.pretraining.unlabelled)
    corpus, splits = read_splits(specification.data, specification.split, drop_without_label=drop)
    return prepare_splits(corpus, splits, specification, encoder=encoder)


def prepare_splits(
    corpus: Corpus,
    splits: Splits,
    specification: RunSpecification,
    *,
    labels: LabelEncoder | None = None,
    tokenizer: Tokenizer | None = None,
    encoder: Encoder | None = None,
) -> PreparedData:
    """Fit the tokenizer and the labels on the training rows, unless they are given, and encode every split.

    A given tokenizer is that of a network that exists, which no encoder is put into.

    Raises
    ------
    DataError
        If a label is missing or unknown.
    SpecificationError
        If the model's output cannot express the classes, or the encoder was made with other settings.
    BundleError
        If the encoder cannot be read.
    """
    train = corpus.select(splits.train)
    assert train.labels is not None  # whoever made the splits refuses a source without labels
    labels = labels or LabelEncoder.fit(train.labels)
    specification.model.resolved_output(len(labels.classes), multi_label=labels.multi_label)
    if tokenizer is None:
        encoder = encoder or _encoder(specification)
        if encoder is not None and encoder.has_network:
            tokenizer = encoder.tokenizer_for(specification.text)
        else:
            tokenizer = _fitted(train, specification)
    prepared = {
        name: encode_rows(corpus, rows, tokenizer, labels) for name in _SPLITS if len(rows := getattr(splits, name))
    }
    return PreparedData(corpus, tokenizer, labels, prepared, splits.note, encoder)


def _encoder(specification: RunSpecification) -> Encoder | None:
    if specification.pretraining.makes_encoder:
        raise SpecificationError(
            "pretraining.unlabelled: only `sulsul train` pretrains on the way; run `sulsul pretrain` first and set "
            "pretraining.encoder to its folder."
        )
    return load_encoder(specification)


def _fitted(train: Corpus, specification: RunSpecification) -> Tokenizer:
    return Tokenizer.fit(train.texts, specification.text)


def encode_rows(
    corpus: Corpus, rows: npt.NDArray[np.int64], tokenizer: Tokenizer, labels: LabelEncoder
) -> PreparedSplit:
    """Return the texts and labels of some rows as ids.

    Raises
    ------
    LabelError
        If a row has no label, or one that the encoder does not know.
    """
    part = corpus.select(rows)
    assert part.labels is not None
    encoded = tokenizer.encode_with_lengths(part.texts)
    class_ids = labels.encode(part.labels, part.rows, source=corpus.source)
    corpus_ids = EncodedCorpus(encoded.token_ids, encoded.offsets, class_ids, types=encoded.types)
    return PreparedSplit(rows, corpus_ids, encoded.full_lengths, unknown_share(encoded))
