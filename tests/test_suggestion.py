import csv
import io
import json

import numpy as np
import polars as pl
import pytest
from tests.trained import tiny_run

from sulsul.corpora import DataSettings
from sulsul.errors import DataError, UsageError
from sulsul.predictor import Predictor
from sulsul.suggestion import (
    first_of_similar,
    most_worthwhile,
    suggest_texts,
    suggestions_as_csv,
    suggestions_as_jsonl,
)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    return Predictor(tiny_run(tmp_path_factory.mktemp("suggestion")).bundle)


@pytest.fixture
def source(tmp_path):
    def write(texts):
        frame = pl.DataFrame({"key": [f"k{n}" for n in range(len(texts))], "text": texts})
        frame.write_csv(tmp_path / "texts.csv")
        return DataSettings(source=str(tmp_path / "texts.csv"), text=("text",), id="key")

    return write


TEXTS = [
    "문의가 정말 좋았다",
    "the staff was rude",
    "추천합니다",
    "",
    "다시는 안 갑니다",
    "설명이 좋고 느리다",
    "the weather",
]


def test_every_text_is_told_with_its_uncertainty(predictor, source):
    found = suggest_texts(predictor, source(TEXTS), 9)
    margins = [1 - abs(p[0] - p[1]) for p in predictor.probabilities(TEXTS)]
    rows = [chosen.row for chosen in found.chosen]
    assert sorted(rows) == [1, 2, 3, 5, 6, 7]
    assert [chosen.identifier for chosen in found.chosen] == [f"k{row - 1}" for row in rows]
    assert [chosen.uncertainty for chosen in found.chosen] == pytest.approx([margins[r - 1] for r in rows], abs=1e-6)
    assert (found.n_texts, found.n_blank, found.n_copies) == (7, 1, 0)


def test_near_copies_are_passed_over(predictor, source):
    text = "the staff was rude and slow when we came back from the ferry"
    found = suggest_texts(predictor, source([text, text.upper() + "!", text + "s", "추천합니다"]), 4)
    assert sorted(chosen.row for chosen in found.chosen) in ([1, 4], [3, 4], [2, 4])
    assert found.n_copies == 1  # what differs in case and punctuation is one candidate from the start


def test_only_the_least_decided_are_held(predictor, source, monkeypatch):
    texts = [f"{word} {n}" for n in range(12) for word in ("좋았다", "rude", "quick", "slow kind")]
    whole = suggest_texts(predictor, source(texts), 5)
    monkeypatch.setattr("sulsul.suggestion._BLOCK_ROWS", 7)
    monkeypatch.setattr("sulsul.suggestion._FEWEST_HELD", 1)
    monkeypatch.setattr("sulsul.suggestion._HELD", 4)
    least = sorted((c.uncertainty for c in suggest_texts(predictor, source(texts), 200).chosen), reverse=True)[:20]
    streamed = suggest_texts(predictor, source(texts), 5)
    assert len(streamed.chosen) == len(whole.chosen) == 5
    assert all(chosen.uncertainty >= least[-1] - 1e-6 for chosen in streamed.chosen)


def test_files_have_an_empty_label_to_fill_in(predictor, source):
    found = suggest_texts(predictor, source(TEXTS), 2, measure="entropy")
    (first, _) = csv.DictReader(io.StringIO(suggestions_as_csv(found, multi_label=False, with_ids=True)))
    assert list(first) == ["row", "id", "text", "label", "predicted", "probability", "uncertainty"]
    assert first["label"] == ""
    assert first["text"] == TEXTS[int(first["row"]) - 1]
    (line, _) = suggestions_as_jsonl(found, multi_label=False, with_ids=False).splitlines()
    assert json.loads(line)["label"] is None
    assert "id" not in json.loads(line)


def test_what_cannot_be_chosen_from_is_refused(predictor, source):
    with pytest.raises(UsageError, match="at least one"):
        suggest_texts(predictor, source(TEXTS), 0)
    with pytest.raises(DataError, match="no text to label"):
        suggest_texts(predictor, source(["", " "]), 3)


def test_of_equally_undecided_texts_the_one_like_others_comes_first():
    texts = ["zzz qqq xxx", "the soup was cold", "the soup was warm", "the room was cold"]
    positions, _ = most_worthwhile(texts, np.ones(4), 4)
    assert positions[0] == 1
    assert positions[-1] == 0
    assert most_worthwhile(texts, np.array([1.0, 0.0, 0.0, 0.0]), 1) == ([0], 0)


def test_no_more_are_compared_than_are_wanted():
    texts = ["the ferry left the harbour on time", "The ferry left the harbour on time!", "it rained all day long"]
    assert first_of_similar(texts, 1) == ([0], 0)
    assert first_of_similar(texts, 3) == ([0, 2], 1)
