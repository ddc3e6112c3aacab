"""Baselines: what they learn, what they may not see, and the published figures on real petitions."""

import numpy as np
import polars as pl
import pytest
from sklearn.model_selection import train_test_split

from sulsul.errors import LabelError
from sulsul.evaluation import linear_fitting
from sulsul.evaluation.baselines import (
    BaselineScores,
    fit_linear_baseline,
    fit_linear_part,
    linear_baselines,
    majority,
)

GOOD = ["정말 좋아요", "좋은 영화", "really good", "good film", "아주 좋다", "good good"]
BAD = ["정말 싫어요", "싫은 영화", "really bad", "bad film", "아주 싫다", "bad bad"]
TEXTS = GOOD + BAD
LABELS = np.array([1] * len(GOOD) + [0] * len(BAD))


def test_majority_answers_what_training_says():
    result = majority([0, 0, 1], [1, 1, 1, 0], n_classes=2)
    assert result.predictions.tolist() == [0, 0, 0, 0]
    assert result.scores.accuracy == 0.25
    assert result.scores.settings["training_share"] == pytest.approx(2 / 3)
    assert result.scores.macro_f1 == pytest.approx(0.2)  # F1 of 2·1 / (1 + 4), and 0


def test_majority_of_label_sets_is_the_most_frequent_set():
    result = majority([[1, 1], [1, 1], [0, 1]], [[1, 1], [1, 0]], n_classes=2)
    assert result.predictions.tolist() == [[1, 1], [1, 1]]
    assert result.scores.accuracy == 0.5


def test_majority_needs_training_labels():
    with pytest.raises(LabelError, match="training split"):
        majority([], [1], n_classes=2)


def test_linear_baselines_learn_an_easy_task():
    results = linear_baselines(TEXTS, LABELS, ["good", "bad", "좋"], [1, 0, 1], n_classes=2)
    assert [result.scores.name for result in results] == ["tfidf-word", "tfidf-char"]
    char = results[1].scores
    assert char.accuracy == 1.0
    assert char.n == 3
    assert char.seconds > 0
    assert char.settings["C"] in linear_fitting._GRID
    assert char.settings["converged"]
    assert char.settings["chosen_by"] == "5 folds of cross-validation"


def test_scores_survive_json():
    scores = linear_baselines(TEXTS, LABELS, TEXTS, LABELS, n_classes=2, units=("word",))[0].scores
    assert BaselineScores.model_validate_json(scores.model_dump_json()) == scores


def test_a_repetition_gives_the_same_predictions():
    first = fit_linear_baseline(pl.Series(TEXTS), LABELS, "char", seed=3)
    second = fit_linear_baseline(TEXTS, LABELS, "char", seed=3)
    assert first.settings == second.settings
    assert (first.predict(TEXTS) == second.predict(TEXTS)).all()


def test_large_training_splits_choose_on_a_sample(monkeypatch):
    monkeypatch.setattr(linear_fitting, "_CROSS_VALIDATED_VALUES", 10)
    monkeypatch.setattr(linear_fitting, "_HELD_OUT_VALUES", 100)
    model = fit_linear_baseline(TEXTS, LABELS, "char")
    assert "held-out fifth of" in str(model.settings["chosen_by"])
    assert model.predict(["good"]).tolist() == [1]


def test_multi_label_fits_one_model_per_label():
    hot = np.stack([LABELS, 1 - LABELS, np.ones_like(LABELS)], axis=1).astype(np.float32)
    results = linear_baselines(TEXTS, hot, ["good", "bad"], [[1, 0, 1], [0, 1, 1]], n_classes=3, units=("char",))
    assert results[0].predictions.tolist() == [[1, 0, 1], [0, 1, 1]]


def test_classes_rarer_than_folds_are_legal():
    result = linear_baselines([*TEXTS, "zzz"], [*LABELS, 2], ["zzz"], [2], n_classes=4)[1]
    assert result.predictions.shape == (1,)


def test_empty_texts_get_an_answer():
    assert fit_linear_baseline([*TEXTS, ""], [*LABELS, 0], "word").predict(["", "???"]).shape == (2,)


def test_one_class_is_refused():
    with pytest.raises(LabelError, match="fewer than two classes"):
        fit_linear_baseline(TEXTS, np.zeros(len(TEXTS), int), "word")


@pytest.mark.shared_data
def test_seoul_petitions_reach_the_published_figures(shared_data):
    table = pl.read_csv(shared_data / "seoul-120-text.csv").filter(pl.col("분류").is_in(["행정", "경제", "복지"]))
    texts = (table["제목"].fill_null("") + " " + table["내용"].fill_null("")).to_list()
    labels = np.unique(table["분류"].to_list(), return_inverse=True)[1]
    train, test = train_test_split(np.arange(len(texts)), test_size=0.2, random_state=42, stratify=labels)
    arguments = [texts[i] for i in train], labels[train], [texts[i] for i in test], labels[test]
    assert majority(labels[train], labels[test], n_classes=3).scores.accuracy == pytest.approx(0.514, abs=5e-4)
    word, char = linear_baselines(*arguments, n_classes=3)
    assert word.scores.accuracy == pytest.approx(0.762, abs=0.01)
    assert char.scores.accuracy == pytest.approx(0.853, abs=0.01)


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_linear_part_reads_titles_and_counts_for_whom_an_ngram_speaks(multi_label):
    rng = np.random.default_rng(3)
    classes = rng.integers(0, 3, 240)
    names = np.array(["가나", "다라", "마바"])
    noise = ["".join(rng.choice(list("사아자차카타"), 6)) for _ in classes]
    # The title names the class and the body another one: only a model that tells them apart can know.
    texts = [
        f"{names[k]} {noise[i]}\n{noise[-i]} {names[rng.integers(0, 3)]} {names[rng.integers(0, 3)]}"
        for i, k in enumerate(classes)
    ]
    labels = np.eye(3)[classes] if multi_label else classes
    part = fit_linear_part(texts[:160], labels[:160], "char", n_classes=3, first_line=True)
    plain = fit_linear_baseline(texts[:160], labels[:160], "char", n_classes=3)
    truth = labels[160:]
    share = [np.mean(np.asarray(model.predict(texts[160:]) == truth)) for model in (part, plain)]
    assert share[0] > 0.95
    assert share[0] > share[1]
    assert part.classifier.weights.shape == (part.settings["features"], 3)
