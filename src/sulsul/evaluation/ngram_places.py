"""Where in a text each n-gram of a linear model stands, and what it adds to the answer there."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import polars as pl

from sulsul.evaluation.linear_classifier import LinearClassifier
from sulsul.evaluation.metrics import FloatArray
from sulsul.evaluation.ngrams import Unit, letter_counts, ngram_buckets, transform_tfidf
from sulsul.text.normalisation import normalise_with_origins

Spans = list[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class LinearContributions:
    """What a linear model's logits of one text consist of; everything adds up to them.

    Attributes
    ----------
    characters
        float64 (n, K): the share of each character of the text as given.
    elsewhere
        float64 (K,): of the spaces that are read around every text.
    intercepts
        float64 (K,): of no part of the text.
    """

    characters: FloatArray
    elsewhere: FloatArray
    intercepts: FloatArray


def linear_contributions(model: LinearClassifier, text: str) -> LinearContributions:
    """Attribute a linear model's logits to the characters of a text, in any Unicode form.

    An n-gram's value times its weight is shared equally by its occurrences, and by the words or characters that each
    covers; a word's share by its characters. For a linear model this is its gradient times input.
    """
    normalised, origins = normalise_with_origins(text)
    symbols = _symbols(normalised, model.features.unit)
    n_columns = model.weights.shape[1]
    characters, elsewhere = np.zeros((len(text), n_columns)), np.zeros(n_columns)
    for (start, end), share in zip(symbols, _symbol_shares(model, normalised, len(symbols)), strict=True):
        first, last = origins[start], origins[end]
        if last > first:
            characters[first:last] += share / (last - first)
        else:
            elsewhere += share
    return LinearContributions(characters, elsewhere, model.scale * model.intercepts.astype(np.float64))


def _symbol_shares(model: LinearClassifier, text: str, n_symbols: int) -> FloatArray:
    """Return what each word or character of one text adds, shape (S, K)."""
    features = model.features
    matrix = transform_tfidf([text], features)
    value_of = np.zeros(features.n_features)
    value_of[matrix.indices] = matrix.data
    shares = np.zeros((n_symbols, model.weights.shape[1]))
    streams = ngram_buckets(text, features)
    assert n_symbols == len(streams[0][0])  # else places would be wrong
    columns = features.column[np.concatenate([buckets for by_length in streams for buckets in by_length])]
    occurrences = np.bincount(columns[columns >= 0], minlength=features.n_features)
    for by_length in streams:
        for n, buckets in enumerate(by_length, 1):
            column = features.column[buckets]
            first = np.flatnonzero(column >= 0)
            known = column[first]
            added = (model.scale * value_of[known] / occurrences[known] / n)[:, None] * model.weights[known]
            for position in range(n):
                np.add.at(shares, first + position, added)
    return shares


def _symbols(text: str, unit: Unit) -> Spans:
    """Return the characters of a normalised text that each word, character or letter was read from.

    What is a word or white space is asked of the same regular expressions, one lower-case character at a time.
    """
    origins = [index for index, character in enumerate(text) for _ in character.lower()]
    characters = [lower for character in text for lower in character.lower()]
    lowered = pl.Series(characters, dtype=pl.String)
    is_space = lowered.str.contains(r"^\s$").to_list()
    if unit == "word":
        is_word = lowered.str.contains(r"^\w$").to_list()
        # The letters of a word share a number; a punctuation mark has its own.
        kinds = [-1 if word else index for index, word in enumerate(is_word)]
        words = [list(group) for _, group in groupby(range(len(kinds)), kinds.__getitem__)]
        return [(origins[run[0]], origins[run[-1]] + 1) for run in words if not is_space[run[0]]]
    runs = [(flag, list(group)) for flag, group in groupby(range(len(is_space)), is_space.__getitem__)]
    for index in (-1, 0):
        if runs and runs[index][0]:
            del runs[index]
    n_symbols = np.ones(len(characters), np.int64)
    if unit == "jamo":
        n_symbols = letter_counts(np.array([ord(character) for character in characters], np.uint64))
    spans: Spans = []
    for flag, run in runs:
        if flag:
            spans.append((origins[run[0]], origins[run[-1]] + 1))
        else:
            for place in run:
                spans += [(origins[place], origins[place] + 1)] * n_symbols[place]
    # A space is read before and behind every text that has anything else.
    return [(0, 0), *spans, (0, 0)] if spans else []
