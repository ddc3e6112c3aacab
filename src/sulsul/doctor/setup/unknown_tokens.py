"""Tokens the vocabulary does not know, and words as tokens of a language that does not repeat them."""

from collections.abc import Iterator

import numpy as np

from sulsul.doctor.quoting import percent
from sulsul.doctor.setup.evidence import SetupEvidence
from sulsul.findings import Finding
from sulsul.report.scripts import script_shares
from sulsul.text import TextSettings

_MUCH = 0.1
_HANGUL, _RARE_TYPES = 0.5, 0.5
_SAMPLE = 5_000


def find_unknown_tokens(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find a vocabulary that knows too few of the tokens that are judged.

    A word outside the vocabulary that is read by its n-grams is not unknown to the model, and does not count.
    """
    split, encoded = evidence.headline, evidence.headline_encoded
    if split is None or encoded is None or not encoded.token_counts.sum():
        return
    share = _share(encoded.unread_counts, encoded.token_counts)
    if share < _MUCH:
        return
    text = evidence.specification.text
    by_ngrams = _share(encoded.unknown_counts - encoded.unread_counts, encoded.token_counts)
    small = evidence.data.tokenizer.vocabulary_size >= text.vocabulary_size
    yield Finding(
        check="out-of-vocabulary",
        severity="warning",
        what=f"{percent(share)} of the tokens of the {split} texts are unknown to the vocabulary of "
        f"{evidence.data.tokenizer.vocabulary_size:,}."
        + (f" (A further {percent(by_ngrams)} are read by their n-grams alone.)" if text.ngrams else ""),
        why="What the model cannot see it cannot use: names and rare words, often the telling ones, are all one to it.",
        remedy=_remedy(text, small=small),
        evidence={
            "split": split,
            "share": round(share, 4),
            "read_by_ngrams": round(by_ngrams, 4),
            "vocabulary_size": evidence.data.tokenizer.vocabulary_size,
            "share_by_class": _by_class(evidence),
        },
    )


def _remedy(text: TextSettings, *, small: bool) -> str:
    if text.ngrams is not None:
        return "Take shorter n-grams, single characters among them: --set text.ngrams=[1,4]"
    larger = "Take a larger vocabulary (--set text.vocabulary_size=20000) or p" if small else "Take p"
    return larger + "ieces of words: --set text.tokenizer=subword"


def find_korean_words(evidence: SetupEvidence) -> Iterator[Finding]:
    """Find Korean cut at spaces: most words with their endings occur once. N-grams join what endings separate."""
    if evidence.specification.text.tokenizer != "word" or evidence.specification.text.ngrams is not None:
        return
    texts = evidence.data.texts("train")
    sample = texts.gather_every(max(1, len(texts) // _SAMPLE))
    hangul = script_shares(sample).get("Hangul", 0.0)
    words = sample.str.split(" ").explode().drop_nulls()
    words = words.filter(words != "")
    if hangul < _HANGUL or not len(words):
        return
    counts = words.value_counts()["count"]
    rare, types = float((counts == 1).sum()) / len(counts), len(counts) / len(words)
    if rare < _RARE_TYPES:
        return
    yield Finding(
        check="korean-words",
        severity="warning",
        what=f"Korean is cut at spaces: {percent(rare)} of the {len(counts):,} different words occur once "
        f"({percent(hangul)} of the letters are Hangul).",
        why="Every ending and particle makes another word (학교가, 학교를, 학교에서), so much of what is read was "
        "never seen in training.",
        remedy="Use pieces of words, syllables or morphemes: --set text.tokenizer=subword (or char, or morpheme); or "
        "sums of n-grams: --set text.ngrams=[1,4] --set model.input.kind=summed-embedding.",
        evidence={
            "words_that_occur_once": round(rare, 4),
            "different_words_per_word": round(types, 4),
            "hangul_share": round(hangul, 4),
        },
    )


def _by_class(evidence: SetupEvidence) -> dict[str, float]:
    split, encoded = evidence.headline, evidence.headline_encoded
    assert split is not None
    assert encoded is not None
    class_ids = evidence.data.splits[split].encoded.class_ids
    if class_ids is None or class_ids.ndim == 2:
        return {}
    shares = {
        name: _share(encoded.unread_counts[class_ids == c], encoded.token_counts[class_ids == c])
        for c, name in enumerate(evidence.data.labels.classes)
    }
    worst = sorted(shares.items(), key=lambda item: -item[1])[:10]
    return {name: round(share, 4) for name, share in worst}


def _share(unknown: np.ndarray, total: np.ndarray) -> float:
    return float(unknown.sum() / max(1, int(total.sum())))
