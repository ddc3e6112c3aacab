"""What a linear model's answer consists of, character by character."""

import unicodedata

import numpy as np
import pytest

from sulsul.evaluation.baselines import fit_linear_baseline
from sulsul.evaluation.ngram_places import linear_contributions
from sulsul.text.normalisation import normalise

TEXTS = [
    "정말 좋아요",
    "좋은 영화",
    "really good",
    "정말 싫어요",
    "싫은 영화",
    "really bad",
    "그저 그래",
    "so so",
    "so",
] * 3
LABELS = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2] * 3)
ODD = [
    "정말 좋아요",
    "",
    "   ",
    "  Really\t\n good,  good!  ",
    unicodedata.normalize("NFD", "정말 싫은 영화"),
    "İstanbul so ΣΑΣ so",
    "\u200bso\u3000so\x1c영화",
    "처음",
]


@pytest.mark.parametrize("unit", ["word", "char", "jamo"])
@pytest.mark.parametrize("labels", [LABELS, LABELS % 2, np.eye(3)[LABELS]])
def test_contributions_add_up_to_the_logits(unit, labels):
    model = fit_linear_baseline(TEXTS, labels, unit).classifier
    for text in ODD:
        found = linear_contributions(model, text)
        assert found.characters.shape == (len(text), model.weights.shape[1])
        total = found.characters.sum(axis=0) + found.elsewhere + found.intercepts
        np.testing.assert_allclose(total, model.logits([normalise(text)])[0], atol=1e-9)


def test_words_stand_where_they_are_read():
    model = fit_linear_baseline(TEXTS, LABELS % 2, "word").classifier
    found = linear_contributions(model, "zzz  REALLY, qqq").characters[:, 0]
    assert np.flatnonzero(found).tolist() == list(range(5, 11))


def test_only_white_space_around_a_text_is_elsewhere():
    model = fit_linear_baseline(TEXTS, LABELS % 2, "char").classifier
    found = linear_contributions(model, " 정말 ")
    assert found.elsewhere.any()
    assert np.flatnonzero(found.characters[:, 0]).tolist() == [1, 2]
