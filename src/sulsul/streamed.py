"""From a specification to encoded splits on disk, for corpora that do not fit into memory.

The source is read once into a cache; the split is drawn from the labels, which fit in memory; the tokenizer is fitted
on the training texts one by one; the token ids are written to a cache and mapped. Rows, ids and labels are those that
:func:`sulsul.preparation.prepare` makes of the same source.
"""

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from sulsul import __version__
from sulsul.batching import EncodedCorpus
from sulsul.batching.mapped import TypesWriter, map_array, map_types
from sulsul.cache import Facts, Report, corpora_folder, open_or_build
from sulsul.choices import Facts as TrainingFacts
from sulsul.corpora import Splits, split_corpus
from sulsul.corpora.mapped import MappedCorpus
from sulsul.corpora.parts import separate_notes
from sulsul.corpora.settings import DataSettings
from sulsul.corpora.sources import ResolvedSource, resolve_source
from sulsul.corpora.splits import complete_splits
from sulsul.corpora.storing import open_stored, spans_of, store_corpus
from sulsul.encoder import Encoder, load_encoder
from sulsul.ensemble import Texts
from sulsul.errors import UsageError
from sulsul.preparation import PreparedData, PreparedSplit, prepare, prepare_splits
from sulsul.report.record import Split
from sulsul.specification import RunSpecification
from sulsul.text import LabelEncoder, Tokenizer
from sulsul.text.labels import ClassIds

STREAMED_BYTES = 1 << 30
"""Sources from this size on are streamed unless the settings say otherwise."""
SAMPLED_TEXTS: dict[Split, int] = {"train": 20_000, "validation": 5_000, "test": 10_000}
"""Texts of a streamed corpus that the doctor looks at, and on which the linear baselines are fitted and judged."""
_SAMPLED_BYTES = 1 << 25
_JUDGED_VALUES, _JUDGED_TEXTS, _JUDGED_TOKENS = 1 << 23, 200_000, 1 << 23
_PACKED_SUFFIXES, _PACKED_RATIO = (".gz", ".zst", ".parquet", ".pq"), 4
_SPLITS: tuple[Split, ...] = tuple(name for name in get_args(Split) if name != "data")
_BLOCK_TEXTS = 4096


@dataclass(frozen=True)
class StreamedData:
    """What a run trains on and is judged by, where it is on disk; only ``train`` was used to fit anything.

    Attributes
    ----------
    corpus
        Texts on disk, labels in memory.
    splits
        Token ids mapped from the cache; see :class:`sulsul.preparation.PreparedSplit`.
    specification
        What asked for them.
    encoder
        As in :class:`sulsul.preparation.PreparedData`.
    """

    corpus: MappedCorpus
    tokenizer: Tokenizer
    labels: LabelEncoder
    splits: dict[Split, PreparedSplit]
    split_note: str
    specification: RunSpecification
    encoder: Encoder | None = None

    @property
    def train(self) -> PreparedSplit:
        """The training split."""
        return self.splits["train"]

    @property
    def facts(self) -> TrainingFacts:
        """Sizes of the training split, by which settings are chosen."""
        encoded = self.train.encoded
        return TrainingFacts(n_texts=len(encoded), n_classes=len(self.labels.classes), n_tokens=len(encoded.token_ids))

    @property
    def unlabelled(self) -> None:
        """Texts for virtual adversarial training: none, since those are read into memory."""
        return

    @property
    def has_linear_part(self) -> bool:
        """Whether a part of the answer reads the texts themselves."""
        return self.specification.wide.kind == "linear"

    @cached_property
    def sample(self) -> PreparedData:
        """Evenly spaced texts of every split, in memory, encoded alike."""
        return _sample(self)

    @cached_property
    def judged(self) -> dict[Split, PreparedSplit]:
        """The texts of each split that are judged: all, but for ``train`` and what would not fit into memory.

        The network's answers to a split fit if its probabilities do; a linear part needs the texts themselves.
        """
        return {name: self._judged(name, split) for name, split in self.splits.items()}

    def _judged(self, name: Split, split: PreparedSplit) -> PreparedSplit:
        n_texts = len(split.rows)
        most = n_texts
        if name == "train" or n_texts * len(self.labels.classes) > _JUDGED_VALUES:
            most = min(_JUDGED_TEXTS, _JUDGED_TOKENS * n_texts // max(1, split.encoded.token_ids.size))
        if self.has_linear_part:
            most = min(most, _SAMPLED_BYTES * len(self.corpus) // max(1, self.corpus.texts.size_bytes))
        if most >= n_texts:
            return split
        chosen = _evenly(n_texts, max(1, most))
        encoded = split.encoded.select(chosen)
        return PreparedSplit(split.rows[chosen], encoded, split.full_lengths[chosen], split.unknown_share)

    def judged_texts(self, split: Split) -> Texts | None:
        """Return the texts of a split that are judged where a part of the answer reads them, else None."""
        return self.corpus.at(self.judged[split].rows).texts if self.has_linear_part else None

    @property
    def sample_note(self) -> str | None:
        """Say which figures are of a part of the texts; None where there is none."""
        said = [
            f"{name} judged on {len(judged.rows):,} of {len(self.splits[name].rows):,} texts"
            for name, judged in self.judged.items()
            if len(judged.rows) < len(self.splits[name].rows)
        ]
        if len(self.sample.corpus) < len(self.corpus):
            sizes = ", ".join(f"{len(split.rows):,} {name}" for name, split in self.sample.splits.items())
            linear = "the linear part, " if self.has_linear_part else ""
            said.append(f"{linear}linear baselines, paired tests and the doctor's checks on a sample ({sizes} texts)")
        return "; ".join(said) or None


RunData = PreparedData | StreamedData


def prepare_run(
    specification: RunSpecification,
    *,
    cache: Path | None = None,
    report: Report = lambda message: None,
    encoder: Encoder | None = None,
) -> RunData:
    """Prepare the data of a run in memory or, where they are large or it is asked for, on disk.

    Parameters
    ----------
    cache
        Where the cache is; see :func:`sulsul.cache.cache_folder`.
    report
        Told what was chosen and why, and every stage as it ends.
    encoder
        As for :func:`sulsul.preparation.prepare`, in memory.

    Raises
    ------
    UsageError
        If streaming is asked for and the source is none that can be streamed.
    OutputError
        If the cache cannot be written.
    SulsulError
        As :func:`sulsul.preparation.prepare`.
    """
    why = _why_streamed(specification)
    if why is None:
        return prepare(specification, encoder=encoder)
    root = corpora_folder(cache)
    report(f"{why}: texts and token ids are kept on disk, in {root}")
    return prepare_streamed(specification, root, report)


def prepare_streamed(
    specification: RunSpecification, root: Path, report: Report = lambda message: None
) -> StreamedData:
    """Prepare the data of a run on disk; raises as :func:`prepare_run` does.

    Parameters
    ----------
    root
        Folder of the cache.
    """
    data, split = specification.data, specification.split
    read = data.model_dump(mode="json", exclude={"streaming"})
    sources = {"validation": split.validation_source, "test": split.test_source}
    with _stage(report, "fingerprint of the source"):
        content = [_digests(settings) for settings in _sources(specification)]
    store_key = _key(read=read, content=content, column=split.column, sources=sources)

    def store(folder: Path) -> Facts:
        with _stage(report, "texts and labels read"):
            return store_corpus(data, split, folder)

    def open_store(folder: Path, facts: Facts) -> tuple[MappedCorpus, dict[str, npt.NDArray[np.int64]]]:
        return open_stored(folder, facts), spans_of(facts)

    corpus, spans = open_or_build(root, f"texts-{store_key}", build=store, load=open_store, report=report)
    if len(spans) > 1:
        splits = complete_splits(corpus, spans, split, separate_notes(split))
    else:
        splits = split_corpus(corpus, split)
    labels = _fit_labels(corpus, splits.train)
    specification.model.resolved_output(len(labels.classes), multi_label=labels.multi_label)
    encoder = load_encoder(specification)
    key = _key(
        store=store_key,
        split=split.model_dump(mode="json"),
        text=specification.text.model_dump(mode="json"),
        tokenizer=encoder.tokenizer.to_json() if encoder is not None and encoder.has_network else None,
    )
    tokenizer, prepared = open_or_build(
        root,
        f"ids-{key}",
        build=lambda folder: _encode(corpus, splits, labels, specification, encoder, folder, report),
        load=lambda folder, facts: _open_encoded(folder, facts, specification),
        report=report,
    )
    return StreamedData(corpus, tokenizer, labels, prepared, splits.note, specification, encoder)


def _why_streamed(specification: RunSpecification) -> str | None:
    """Return why the data are streamed, None if they are not."""
    data = specification.data
    if data.streaming is False or specification.pretraining.unlabelled:
        return None
    sources = [resolve_source(settings) for settings in _sources(specification)]
    refused = next((source for source in sources if source.remote or source.format in ("folder", "npz")), None)
    if data.streaming is True:
        if refused is not None:
            raise UsageError(
                f"{refused.name} cannot be streamed: data.streaming is for CSV, TSV, JSON Lines and Parquet files on "
                "this machine. Save it as one of these, or leave data.streaming out."
            )
        return "data.streaming is true"
    size_bytes = 0 if refused is not None or data.limit is not None else sum(map(_size_bytes, sources))
    if size_bytes < STREAMED_BYTES:
        return None
    return f"{data.source} holds some {size_bytes / 1e9:.1f} GB of text, {STREAMED_BYTES / 1e9:.1f} GB or more"


def _sources(specification: RunSpecification) -> list[DataSettings]:
    data, split = specification.data, specification.split
    separate = [source for source in (split.validation_source, split.test_source) if source is not None]
    return [data, *(data.model_copy(update={"source": source}) for source in separate)]


def _size_bytes(source: ResolvedSource) -> int:
    """Return about how many bytes of text the files of a source hold."""
    return sum(
        Path(path).stat().st_size * (_PACKED_RATIO if path.endswith(_PACKED_SUFFIXES) else 1) for path in source.paths
    )


def _digests(settings: DataSettings) -> list[str]:
    digests = []
    for path in resolve_source(settings).paths:
        with Path(path).open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return digests


def _key(**parts: object) -> str:
    """Return a name for what was made of the given parts by this version."""
    text = json.dumps({"version": __version__, **parts}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _fit_labels(corpus: MappedCorpus, train: npt.NDArray[np.int64]) -> LabelEncoder:
    found = np.unique(corpus.label_codes[train]).tolist()
    return LabelEncoder.fit(corpus.labels_of(found))


def _encode(
    corpus: MappedCorpus,
    splits: Splits,
    labels: LabelEncoder,
    specification: RunSpecification,
    encoder: Encoder | None,
    folder: Path,
    report: Report,
) -> Facts:
    """Fit the tokenizer on the training texts, unless an encoder has one, and write every split as ids."""
    if encoder is not None and encoder.has_network:
        tokenizer = encoder.tokenizer_for(specification.text)
    else:
        with _stage(report, f"vocabulary of {len(splits.train):,} training texts"):
            texts = (text for block in _blocks(splits.train) for text in corpus.texts.take(block))
            tokenizer = Tokenizer.fit(texts, specification.text)
    (folder / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    parts = {name: rows for name in _SPLITS if len(rows := getattr(splits, name))}
    unknown_shares: Facts = {}
    with _stage(report, f"token ids of {sum(map(len, parts.values())):,} texts"):
        for name, rows in parts.items():
            class_ids = _class_ids(corpus, labels, rows)
            unknown_shares[name] = _encode_split(corpus, rows, tokenizer, folder, name)
            np.save(folder / f"{name}.rows.npy", rows)
            np.save(folder / f"{name}.class_ids.npy", class_ids)
    return {"unknown_shares": unknown_shares}


def _encode_split(
    corpus: MappedCorpus, rows: npt.NDArray[np.int64], tokenizer: Tokenizer, folder: Path, name: str
) -> float:
    """Write token ids, offsets and full lengths of some rows; return the share of unknown tokens."""
    offsets = np.zeros(len(rows) + 1, np.int64)
    full_lengths = np.empty(len(rows), np.int64)
    n_tokens, n_unknown, start = 0, 0, 0
    encoding = tokenizer.encoding()
    with (folder / f"{name}.token_ids").open("wb") as file, TypesWriter(folder, name) as types:
        for block in _blocks(rows):
            encoded = encoding.append(corpus.texts.take(block))
            file.write(encoded.token_ids.astype("<i4", copy=False).tobytes())
            types.append(encoding.new_types())
            end = start + len(block)
            offsets[start + 1 : end + 1] = encoded.offsets[1:] + offsets[start]
            full_lengths[start:end] = encoded.full_lengths
            n_tokens += int(encoded.token_counts.sum())
            n_unknown += int(encoded.unknown_counts.sum())
            start = end
    np.save(folder / f"{name}.offsets.npy", offsets)
    np.save(folder / f"{name}.full_lengths.npy", full_lengths)
    return n_unknown / max(n_tokens, 1)


def _class_ids(corpus: MappedCorpus, labels: LabelEncoder, rows: npt.NDArray[np.int64]) -> ClassIds:
    """Return the class ids of some rows; an unknown label is named with the first row that has it."""
    codes, first, inverse = np.unique(corpus.label_codes[rows], return_index=True, return_inverse=True)
    order = np.argsort(first)
    ids = labels.encode(corpus.labels_of(codes[order].tolist()), corpus.rows[rows[first[order]]], source=corpus.source)
    of_code = np.empty_like(ids)
    of_code[order] = ids
    found: ClassIds = of_code[inverse]
    return found


def _open_encoded(
    folder: Path, facts: Facts, specification: RunSpecification
) -> tuple[Tokenizer, dict[Split, PreparedSplit]]:
    tokenizer = Tokenizer.from_json((folder / "tokenizer.json").read_text(encoding="utf-8"), specification.text)
    shares: Any = facts["unknown_shares"]
    splits: dict[Split, PreparedSplit] = {}
    for name in _SPLITS:
        if name in shares:
            arrays = {key: np.load(folder / f"{name}.{key}.npy") for key in ("offsets", "class_ids", "full_lengths")}
            token_ids = map_array(folder / f"{name}.token_ids", "<i4")
            types = map_types(folder, name) if specification.text.ngrams is not None else None
            encoded = EncodedCorpus(token_ids, arrays["offsets"], arrays["class_ids"], types=types)
            rows = np.load(folder / f"{name}.rows.npy")
            splits[name] = PreparedSplit(rows, encoded, arrays["full_lengths"], shares[name])
    return tokenizer, splits


def _sample(data: StreamedData) -> PreparedData:
    corpus = data.corpus
    n_texts = min(sum(SAMPLED_TEXTS.values()), _SAMPLED_BYTES * len(corpus) // max(1, corpus.texts.size_bytes))
    share = n_texts / sum(SAMPLED_TEXTS.values())
    chosen = {
        name: split.rows[_evenly(len(split.rows), max(1, int(share * SAMPLED_TEXTS[name])))]
        for name, split in data.splits.items()
    }
    positions = np.sort(np.concatenate(list(chosen.values())))
    placed = {name: np.searchsorted(positions, rows).astype(np.int64) for name, rows in chosen.items()}
    train, validation, test = (placed.get(name, np.zeros(0, np.int64)) for name in _SPLITS)
    splits = Splits(train, validation, test, data.split_note)
    selected = corpus.select(positions)
    prepared = prepare_splits(selected, splits, data.specification, labels=data.labels, tokenizer=data.tokenizer)
    return replace(prepared, encoder=data.encoder)


def _evenly(n_rows: int, n_chosen: int) -> npt.NDArray[np.int64]:
    """Return so many positions (all, if there are fewer rows), equally far from each other."""
    n_chosen = min(n_rows, n_chosen)
    return np.arange(n_chosen, dtype=np.int64) * n_rows // max(1, n_chosen)


def _blocks(rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, len(rows), _BLOCK_TEXTS):
        yield rows[start : start + _BLOCK_TEXTS]


@contextmanager
def _stage(report: Report, what: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    report(f"{what}: {time.perf_counter() - started:.1f} s")
