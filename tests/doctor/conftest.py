"""Corpora to examine: a clean one, and ways to plant a mistake in it."""

import numpy as np
import polars as pl
import pytest

from sulsul.corpora import DataSettings, SplitSettings, read_corpus
from sulsul.corpora.parts import read_splits
from sulsul.doctor.data.evidence import DataEvidence
from sulsul.doctor.setup.evidence import SetupEvidence
from sulsul.experiment import build_classifier
from sulsul.preparation import prepare
from sulsul.recipes import load_recipe

_SUBJECTS = ("the soup", "the waiter", "our room", "the ferry", "a ticket", "her lecture", "the garden", "this phone")
_GOOD = ("lovely", "quick", "spotless", "generous", "bright", "reliable", "warm", "fair")
_BAD = ("awful", "slow", "filthy", "stingy", "gloomy", "broken", "cold", "rude")
_ENDS = ("as we had hoped", "when nobody expected it", "on a rainy Monday", "for the third time", "before noon",
         "and we told them so", "at the far end of town", "despite all the letters we wrote")  # fmt: skip


def clean_rows(n=240, seed=0):
    """Return n distinct (text, label) pairs whose words are shared by both classes."""
    rng = np.random.default_rng(seed)
    rows, seen = [], set()
    while len(rows) < n:
        label = int(rng.integers(2))
        own, other = (_GOOD, _BAD) if label else (_BAD, _GOOD)
        words = [str(rng.choice(own)), str(rng.choice(own)), str(rng.choice(other))]
        rng.shuffle(words)
        number = int(rng.integers(1000, 9999))
        text = (
            f"{rng.choice(_SUBJECTS)} in house {number} was {words[0]}, {words[1]} and {words[2]} {rng.choice(_ENDS)} "
            f"{rng.choice(_SUBJECTS)} {rng.choice(_ENDS)}"
        )
        if text not in seen:
            seen.add(text)
            rows.append((text, ("neg", "pos")[label]))
    return rows


@pytest.fixture
def evidence_of(tmp_path):
    """Return a function that writes rows to a CSV file and reads them as the doctor does."""

    def build(rows, *, columns=("text", "label"), data=None, split=None, divided=True):
        path = tmp_path / "data.csv"
        pl.DataFrame(rows, schema=list(columns), orient="row").write_csv(path)
        settings = DataSettings(source=str(path), text=("text",), label="label", **(data or {}))
        split_settings = SplitSettings(**(split or {}))
        if not divided:
            return DataEvidence(read_corpus(settings, labels="optional"), {}, settings, split_settings)
        corpus, splits = read_splits(settings, split_settings)
        rows_of = {name: getattr(splits, name) for name in ("train", "validation", "test")}
        return DataEvidence(corpus, {name: r for name, r in rows_of.items() if len(r)}, settings, split_settings)

    return build


@pytest.fixture
def clean(evidence_of):
    """Return evidence in which no data check may find an error or a warning."""
    return evidence_of(clean_rows(1000))


PLAIN = ("text.ngrams=none", "model.input.kind=embedding", "text.tokenizer=subword", "text.vocabulary_size=8000")
"""The default recipe with the input that most checks are about."""


def plain(recipe):
    specification = load_recipe(recipe)
    return specification.with_overrides(PLAIN) if recipe == "default" else specification


@pytest.fixture
def setup_of(tmp_path):
    """Return a function that prepares rows as a run of a recipe with overrides would; ``default`` on plain inputs."""

    def build(rows, *overrides, recipe="default", untrained=True):
        path = tmp_path / "setup.csv"
        pl.DataFrame(rows, schema=["text", "label"], orient="row").write_csv(path)
        small = ("model.units=8", "model.input.size=8", "training.backend=torch", f'data.source="{path}"')
        specification = plain(recipe).with_overrides((*small, *overrides))
        data = prepare(specification)
        classifier = build_classifier(specification, data) if untrained else None
        return SetupEvidence(specification, data, classifier)

    return build


@pytest.fixture
def settings_of():
    """Return a function that makes evidence of settings alone."""

    def build(*overrides, recipe="default"):
        return SetupEvidence(plain(recipe).with_overrides(overrides))

    return build
