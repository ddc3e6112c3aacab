"""The texts that an encoder is pretrained on: from several sources, each text once."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from sulsul.corpora import Corpus, DataSettings, Splits, read_corpus
from sulsul.errors import DataError
from sulsul.specification import RunSpecification


@dataclass(frozen=True, eq=False)
class PretrainingTexts:
    """Distinct texts, none of them empty, and in words where they came from.

    Attributes
    ----------
    texts
        String.
    sources
        Name of each source and the number of texts that came from it.
    n_repeated
        Texts left out because they are there already.
    n_kept_back
        Texts left out because a classifier is to be judged on them.
    """

    texts: pl.Series
    sources: tuple[tuple[str, int], ...]
    n_repeated: int = 0
    n_kept_back: int = 0

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over the texts in order."""
        digest = hashlib.sha256()
        for start in range(0, len(self.texts), 8192):
            for text in self.texts.slice(start, 8192).to_list():
                content = text.encode("utf-8", "surrogatepass")
                digest.update(len(content).to_bytes(8, "little"))
                digest.update(content)
        return digest.hexdigest()

    def described(self) -> str:
        """Return one line for the user."""
        said = ", ".join(f"{n:,} of {name}" for name, n in self.sources)
        notes = []
        if self.n_repeated:
            notes.append(f"{self.n_repeated:,} repeated or empty, left out")
        if self.n_kept_back:
            notes.append(f"{self.n_kept_back:,} of the validation and test splits, kept back")
        return f"pretraining on {len(self):,} texts: {said}" + (f" ({'; '.join(notes)})" if notes else "")


def collect_texts(parts: Sequence[tuple[str, pl.Series]], *, kept_back: pl.Series | None = None) -> PretrainingTexts:
    """Put the texts of several sources together.

    Parameters
    ----------
    parts
        Name and texts of each source.
    kept_back
        Texts that must not be among them.

    Raises
    ------
    DataError
        If fewer than two texts are left.
    """
    held = pl.Series("text", [], dtype=pl.String) if kept_back is None else kept_back.rename("text")
    seen = pl.DataFrame({"text": held.unique()})
    found: list[pl.Series] = []
    sources, n_repeated, n_kept_back = [], 0, 0
    for name, texts in parts:
        filled = texts.filter(texts.str.strip_chars() != "").rename("text")
        once = filled.unique(maintain_order=True)
        free = pl.DataFrame({"text": once}).join(seen, on="text", how="anti", maintain_order="left")["text"]
        n_held = int(once.is_in(held.implode()).sum()) if len(held) else 0
        n_kept_back += n_held
        n_repeated += len(texts) - len(free) - n_held
        seen = pl.concat([seen, pl.DataFrame({"text": free})])
        found.append(free)
        sources.append((name, len(free)))
    together = pl.concat(found)
    if len(together) < 2:
        raise DataError("there are fewer than two texts to pretrain on; name more files.")
    return PretrainingTexts(together, tuple(sources), n_repeated, n_kept_back)


def texts_of_files(files: Sequence[str], data: DataSettings) -> list[tuple[str, pl.Series]]:
    """Return name and texts of each file; columns and encoding are those of ``data``, labels are not read.

    Raises
    ------
    DataError
        If a file cannot be read, or holds token ids.
    """
    return [(file, _read(file, data).texts) for file in files]


def texts_beside(specification: RunSpecification, corpus: Corpus, splits: Splits) -> PretrainingTexts:
    """Return the texts that an encoder for a run may see: all there are but those of its validation and test splits.

    Parameters
    ----------
    specification
        Names the unlabelled files; rows of the table without a label are used as well.
    corpus, splits
        What the run is trained and judged on.

    Raises
    ------
    DataError
        If a file cannot be read.
    """
    data = specification.data
    rest = read_corpus(data.model_copy(update={"keep_classes": (), "source": data.source}), labels="partial")
    assert rest.labels is not None
    without_label = rest.texts.filter(rest.labels.is_null())
    judged = np.concatenate([splits.validation, splits.test])
    parts = [
        ("the training split", corpus.select(splits.train).texts),
        ("the rows without a label", without_label),
        *texts_of_files(specification.pretraining.unlabelled, data),
    ]
    return collect_texts([part for part in parts if len(part[1])], kept_back=corpus.select(judged).texts)


def _read(file: str, data: DataSettings) -> Corpus:
    settings = DataSettings(source=file, text=data.text, encoding=data.encoding)
    corpus = read_corpus(settings, role="texts", labels="ignored")
    if corpus.sequences is not None:
        raise DataError(f"{file} holds token ids, not texts: nothing can be pretrained on it.")
    return corpus
