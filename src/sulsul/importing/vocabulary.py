"""The vocabulary that belonged to a Keras model, from the files in which notebooks keep it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sulsul.corpora.npz import read_word_index
from sulsul.errors import DataError
from sulsul.text.normalisation import normalise
from sulsul.text.settings import Reserved, TextSettings
from sulsul.text.splitting import KERAS_FILTER
from sulsul.text.tokenizer import Tokenizer

_UNKNOWN = "[UNK]"


@dataclass(frozen=True)
class Arrangement:
    """How the notebook brought its sequences to one length, which no model file says.

    Attributes
    ----------
    max_length
        Longest sequence kept, in tokens; None: all of it.
    pad_to
        Length up to which id 0 is written; None: no padding.
    pad_side, truncate
        ``pad_sequences`` of Keras pads and cuts in front unless told otherwise.
    """

    max_length: int | None = None
    pad_to: int | None = None
    pad_side: Literal["before", "after"] = "before"
    truncate: Literal["front", "back"] = "front"


@dataclass(frozen=True)
class KerasVocabulary:
    """Words in the order of their ids, and how texts were cut into them."""

    words: Sequence[str]
    reserved: tuple[Reserved, ...]
    described: str
    text: Mapping[str, Any] = field(default_factory=dict)

    def tokenizer(self, arrangement: Arrangement) -> Tokenizer:
        """Return the tokenizer that gives the same ids.

        Raises
        ------
        TokenizerError
            If a word occurs twice.
        """
        settings = TextSettings(
            vocabulary_size=len(self.reserved) + len(self.words),
            reserved=self.reserved,
            max_length=arrangement.max_length,
            pad_to=arrangement.pad_to,
            pad_side=arrangement.pad_side,
            truncate=arrangement.truncate,
            **self.text,
        )
        return Tokenizer.from_words(self.words, settings)


def ids_tokenizer(vocabulary_size: int, *, masked: bool) -> Tokenizer:
    """Return the tokenizer of a model that came without a vocabulary: texts are ids in figures.

    Parameters
    ----------
    masked
        Whether id 0 is masked: it is then left out, which is what the mask does.
    """
    settings = TextSettings(
        tokenizer="ids",
        vocabulary_size=vocabulary_size,
        lowercase=False,
        filter_punctuation=False,
        reserved=("pad",) if masked else (),
    )
    return Tokenizer.from_words((), settings)


def read_vocabulary(path: Path, n_rows: int) -> KerasVocabulary:
    """Read a vocabulary file; which kind it is, its content says.

    ``Tokenizer.to_json()`` of Keras 2; a word index such as ``imdb_word_index.json``, with the ids 0 to 3 reserved as
    ``imdb.load_data`` does; or a text file with the vocabulary of ``TextVectorization``, a token a line.

    Parameters
    ----------
    n_rows
        Number of ids that the model knows.

    Raises
    ------
    DataError
        If the file cannot be read or is none of these, or gives ids that the model does not know.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: the vocabulary cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the vocabulary is not UTF-8 (byte {error.start}).") from None
    if path.suffix.lower() != ".json" and not text.lstrip().startswith(("{", '"{')):
        return _from_lines(text, path, n_rows)
    try:
        found = json.loads(text)
        found = json.loads(found) if isinstance(found, str) else found  # json.dump(tokenizer.to_json(), file)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: the vocabulary is no JSON ({error}).") from None
    if isinstance(found, dict) and found.get("class_name") == "Tokenizer":
        return _from_tokenizer(found, path, n_rows)
    return _from_word_index(path, n_rows)


def _from_word_index(path: Path, n_rows: int) -> KerasVocabulary:
    reserved: tuple[Reserved, ...] = ("pad", "start", "oov", "unused")
    ranks = read_word_index(path)
    words = _in_order(ranks, 1, path)[: max(0, n_rows - len(reserved))]
    return KerasVocabulary(
        _composed(words), reserved, f"word index of {len(ranks):,} words, read as imdb.load_data does (START, OOV)"
    )


def _from_tokenizer(found: dict[str, Any], path: Path, n_rows: int) -> KerasVocabulary:
    config = found.get("config")
    try:
        assert isinstance(config, dict)
        index = json.loads(config["word_index"])
        limit, oov = config.get("num_words"), config.get("oov_token")
        assert isinstance(index, dict)
        assert all(type(value) is int for value in [*index.values(), 0 if limit is None else limit])
    except (AssertionError, KeyError, TypeError, ValueError, RecursionError):
        raise DataError(f"{path} is no complete Tokenizer.to_json(): it needs config.word_index.") from None
    if (
        config.get("char_level")
        or config.get("filters", KERAS_FILTER) != KERAS_FILTER
        or config.get("split", " ") != " "
    ):
        raise DataError(
            f"{path}: the Tokenizer has char_level, or its own filters or split; only the usual ones can be imported."
        )
    if oov is not None and index.get(oov) != 1:
        raise DataError(f"{path}: the Tokenizer's oov_token {oov!r} does not have index 1; the file was altered.")
    words = _in_order({word: rank for word, rank in index.items() if word != oov}, 1 if oov is None else 2, path)
    reserved: tuple[Reserved, ...] = ("pad",) if oov is None else ("pad", "oov")
    n_ids = len(reserved) + len(words) if limit is None else min(limit, len(reserved) + len(words))
    if n_ids > n_rows:
        raise DataError(
            f"{path} gives ids up to {n_ids - 1:,}, but the model knows {n_rows:,} ids: it belongs to another model."
        )
    return KerasVocabulary(
        _composed(words[: n_ids - len(reserved)]),
        reserved,
        f"Tokenizer of Keras with {n_ids:,} ids; unknown words are {'dropped' if oov is None else 'OOV'}",
        {"lowercase": bool(config.get("lower", True))},
    )


def _from_lines(text: str, path: Path, n_rows: int) -> KerasVocabulary:
    words = text.removesuffix("\n").split("\n")
    words = [word.removesuffix("\r") for word in words]
    if words and words[0] == "":
        words = words[1:]
    if words and words[0] == _UNKNOWN:
        words = words[1:]
    if not words or "" in words:
        raise DataError(f"{path}: expected a token a line, as TextVectorization.get_vocabulary() gives them.")
    if len(words) + 2 > n_rows:
        raise DataError(
            f"{path} gives ids up to {len(words) + 1:,}, but the model knows {n_rows:,}: it belongs to another model."
        )
    return KerasVocabulary(
        _composed(words),
        ("pad", "oov"),
        f"TextVectorization's vocabulary of {len(words):,} words, with its usual standardisation",
        {"filter_punctuation": False, "delete_punctuation": True},
    )


def _in_order(ranks: Mapping[str, int], first: int, path: Path) -> list[str]:
    """Return the words by rank, which must run on from ``first`` without a gap."""
    words = sorted(ranks, key=lambda word: ranks[word])
    if [ranks[word] for word in words] != list(range(first, first + len(words))):
        raise DataError(f"{path}: the words' numbers do not run from {first} without a gap; the file was altered.")
    return words


def _composed(words: Sequence[str]) -> list[str]:
    """Return the words in NFC, as texts are read; one that another word already is stays and can never be met."""
    seen: set[str] = set()
    composed = []
    for word in words:
        spelt = normalise(word)
        composed.append(word if spelt in seen else spelt)
        seen.add(spelt)
    return composed
