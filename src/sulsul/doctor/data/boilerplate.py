"""Markup, font names and templates among the words of the texts."""

from collections.abc import Iterator

import polars as pl

from sulsul.doctor.data.evidence import DataEvidence
from sulsul.doctor.quoting import percent, quote, row_numbers
from sulsul.findings import Finding

_TAG = r"</?[a-zA-Z][a-zA-Z0-9]{0,15}(\s[^<>]{0,300})?/?>"
_ENTITY = r"&(?:[a-zA-Z]{2,8}|#\d{2,5}|#x[0-9a-fA-F]{2,5});"
_STYLE = r"(?i)(?:font-(?:family|size|weight)|text-align|line-height|mso-[a-z]+|margin-(?:top|left|bottom))\s*:"
_COMMON = 0.01
_TOP = 100
# A word that few texts repeat endlessly: `the` is frequent too, but in every text.
_REPEATED, _FEWEST_TEXTS, _NARROW = 10.0, 5, 0.1
_SHOWN = 10
# Lower-cased words that word processors and web pages leave behind in copied text.
_FONTS = frozenset((
    *("돋움", "돋움체", "굴림", "굴림체", "바탕", "바탕체", "궁서", "궁서체", "고딕", "맑은고딕", "나눔고딕"),
    *("나눔명조", "명조", "한컴바탕", "함초롬바탕", "함초롬돋움", "dotum", "gulim", "batang", "malgun"),
    *("arial", "helvetica", "verdana", "tahoma", "calibri", "cambria"),
))  # fmt: skip
_MARKUP = frozenset((
    *("br", "nbsp", "href", "span", "div", "font", "px", "pt", "rgb", "amp", "lt", "gt", "quot", "tbody", "td"),
    *("tr", "colspan", "rowspan", "mso", "xmlns"),
))  # fmt: skip


def find_boilerplate(evidence: DataEvidence) -> Iterator[Finding]:
    """Find tags, entities and style rules in the texts, and remnants of formatting among the top words."""
    corpus = evidence.corpus
    if corpus.sequences is not None and corpus.word_index is None:
        return  # the texts are ids in figures
    markup = list(_find_markup(evidence))
    yield from markup
    yield from _find_residue_words(evidence, known=_FONTS if markup else _FONTS | _MARKUP)


def _find_markup(evidence: DataEvidence) -> Iterator[Finding]:
    """Find markup inside the texts."""
    texts = evidence.corpus.texts
    candidates = texts.str.contains("<|&|:")  # most texts hold none and need no expression
    marked = {
        what: (candidates & texts.str.contains(pattern)).arg_true().to_numpy()
        for what, pattern in (("tags", _TAG), ("entities", _ENTITY), ("style rules", _STYLE))
    }
    shares = {what: len(rows) / max(1, len(texts)) for what, rows in marked.items() if len(rows)}
    if not shares or max(shares.values()) < _COMMON:
        return
    said = ", ".join(f"{what} in {percent(share)}" for what, share in shares.items())
    rows = next(marked[what] for what, share in shares.items() if share == max(shares.values()))
    yield Finding(
        check="boilerplate",
        severity="warning",
        what=f"The texts hold markup: {said} of them.",
        why="Tags become words of the vocabulary, often the most frequent ones, and say where a text comes from rather "
        "than what it says.",
        remedy="Turn the markup into plain text before training and before predicting.",
        evidence={
            **{what.replace(" ", "_"): round(share, 5) for what, share in shares.items()},
            "rows": row_numbers(evidence.corpus, rows),
            "example": quote(texts[int(rows[0])]),
        },
    )


def _find_residue_words(evidence: DataEvidence, known: frozenset[str]) -> Iterator[Finding]:
    """Find known remnants among the top words, and words that a few texts repeat endlessly."""
    top = evidence.words.by_word.head(_TOP).with_row_index("rank", offset=1)
    named = top.filter(pl.col("word").is_in(list(known)))
    few = pl.col("n_texts").is_between(_FEWEST_TEXTS, _NARROW * len(evidence.words.positions))
    repeated = top.filter((pl.col("n") >= _REPEATED * pl.col("n_texts")) & few)
    found = pl.concat([named, repeated]).unique("word").sort("rank")
    if not found.height:
        return
    _, word, n, n_texts = found.select("rank", "word", "n", "n_texts").row(0)
    yield Finding(
        check="boilerplate",
        severity="warning",
        what=f"“{word}” is number {found['rank'][0]} of the most frequent words ({n:,} times in {n_texts:,} texts): "
        "a remnant of formatting, not of language.",
        why="It takes a place in the vocabulary and in every shortened text, and the model learns which program a text "
        "was written with.",
        remedy="Remove such remnants from the texts before training and before predicting.",
        evidence={
            "words": [
                f"{word} (rank {rank}, {n:,} times in {n_texts:,} texts)"
                for rank, word, n, n_texts in found.select("rank", "word", "n", "n_texts").head(_SHOWN).iter_rows()
            ],
            "top_words": top["word"].head(_SHOWN).to_list(),
        },
    )
