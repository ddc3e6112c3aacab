"""Texts with some tokens taken away."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.explanation.scores import log_odds_of_arrays
from sulsul.predictor import Predictor
from sulsul.text import TextSettings, WordTypes

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ReadText:
    """One text as it was given and as it was encoded, with the characters each token was made from."""

    text: str
    encoded: EncodedCorpus
    spans: Sequence[tuple[int, int]]

    @property
    def is_word(self) -> Mask:
        """Bool (n,): which tokens come from the text itself; the others are START and PAD."""
        return np.array([start < end for start, end in self.spans], dtype=np.bool_)


def read_text(predictor: Predictor, text: str) -> ReadText:
    """Encode a text; raises TokenizerError if it is not a string."""
    _, spans = predictor.bundle.tokenizer.encode_with_spans(text)
    return ReadText(text, predictor.encode([text]), spans)


def without(
    token_ids: npt.NDArray[np.int32], kept: Iterable[Mask], settings: TextSettings, types: WordTypes | None = None
) -> EncodedCorpus:
    """Return one text for every mask, holding the tokens that it keeps.

    The rest closes up: a recurrent network needs no stand-in for a token that is not there. Only where the settings pad
    every text is the length kept, by PAD on their side.

    Parameters
    ----------
    token_ids : int32 (n,)
        One text.
    kept
        Masks (n,): which of its tokens stay.
    settings
        How texts were encoded.
    types
        What the token ids stand for where they are sums of rows.

    Examples
    --------
    >>> masks = [np.array([True, False, True]), np.array([False, False, False])]
    >>> texts = without(np.array([5, 6, 7], np.int32), masks, TextSettings())
    >>> texts.token_ids.tolist(), texts.offsets.tolist()
    ([5, 7], [0, 2, 2])
    """
    texts = [_padded(token_ids[mask], len(token_ids), settings) for mask in kept]
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64)
    return EncodedCorpus(np.concatenate([np.zeros(0, np.int32), *texts]), offsets, types=types)


def text_without(text: str, spans: Sequence[tuple[int, int]], kept: Mask) -> str:
    """Return a text without the characters of the tokens that a mask (n,) leaves out, for a linear part to read.

    Examples
    --------
    >>> text_without("so very good", [(0, 2), (3, 7), (8, 12)], np.array([True, False, True]))
    'so  good'
    """
    stays = np.ones(len(text), dtype=np.bool_)
    for start, end in (span for span, keep in zip(spans, kept, strict=True) if not keep):
        stays[start:end] = False
    return "".join(character for character, stay in zip(text, stays.tolist(), strict=True) if stay)


def log_odds_without(
    predictor: Predictor, read: ReadText, kept: Sequence[Mask], target: int
) -> npt.NDArray[np.float64]:
    """Return the log-odds of a class for every mask: of the whole answer, a linear part included.

    Parameters
    ----------
    predictor
        The trained classifier.
    read
        One text.
    kept
        Masks (n,): which of its tokens stay.
    target
        Class id.
    """
    settings, ensemble = predictor.bundle.specification.text, predictor.bundle.ensemble
    encoded = without(read.encoded.token_ids, kept, settings, read.encoded.types)
    texts = None if ensemble.linear is None else [text_without(read.text, read.spans, mask) for mask in kept]
    logits = predictor.logits(encoded, texts)
    return log_odds_of_arrays(logits, np.full(len(kept), target), ensemble.output_kind)


def _padded(token_ids: npt.NDArray[np.int32], length: int, settings: TextSettings) -> npt.NDArray[np.int32]:
    if settings.pad_to is None:
        return token_ids
    pad = np.full(length - len(token_ids), settings.reserved.index("pad"), np.int32)
    return np.concatenate([pad, token_ids] if settings.pad_side == "before" else [token_ids, pad])
