"""What is said of answers whose right and wrong are known beforehand."""

import numpy as np
import pytest
from tests.trained import tiny_specification, write_corpus

from sulsul.comparison.design import Design, read_design
from sulsul.comparison.scoring import Answers, Kind, choose_best, collect, compare_answers
from sulsul.comparison.trials import Trial


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Design:
    source = write_corpus(tmp_path_factory.mktemp("corpus") / "corpus.csv", copies=100)
    return read_design(tiny_specification(source, split={"test": 0.5}))


def answers(design: Design, name: str, accuracies: list[float], kind="model", **more) -> Answers:
    """Answer the first texts rightly, so many of them that the accuracies come out, the rest wrongly."""
    truth = design.class_ids
    trials = []
    for seed, accuracy in enumerate(accuracies):
        predicted = np.where(np.arange(len(truth)) < round(accuracy * len(truth)), truth, 1 - truth)
        validation = more.get("validation")
        trials.append(
            [
                Trial(
                    contender=name,
                    seed=seed,
                    fold=0,
                    predictions=tuple(predicted.tolist()),
                    seconds=1.0,
                    validation_accuracy=validation,
                )
            ]
        )
    return collect(name, kind, trials, truth, control_of=more.get("control_of"))


def word_order(design: Design, best: float, bag: float, shuffled: float) -> str:
    network = answers(design, "gru", [best] * 2)
    controls = [
        answers(design, "gru without recurrence", [bag] * 2, "control", control_of="gru"),
        answers(design, "gru on shuffled words", [shuffled] * 2, "control", control_of="gru"),
    ]
    comparison = compare_answers(
        [network, *controls], network, design, design.class_ids, selection="", controlled=network
    )
    assert comparison.word_order is not None
    return comparison.word_order


@pytest.mark.parametrize(
    ("scores", "beginning"),
    [
        ((0.90, 0.60, 0.60), "Word order matters here: on shuffled words gru is worse by 30.0 points; "),
        ((0.90, 0.90, 0.60), "Word order matters here"),
        ((0.90, 0.60, 0.90), "Recurrence helps here, but not by word order"),
        ((0.90, 0.90, 0.90), "Word order does not matter here, as far as 400 texts can tell: gru reaches 0.900"),
        ((0.80, 0.90, 0.90), "Word order does not matter here"),
    ],
)
def test_the_controls_say_whether_word_order_matters(
    design: Design, scores: tuple[float, float, float], beginning: str
) -> None:
    assert word_order(design, *scores).startswith(beginning)


def test_a_whole_answer_is_not_compared_with_the_controls_of_its_network(design: Design) -> None:
    whole, network = answers(design, "gru, whole", [0.9, 0.9]), answers(design, "gru", [0.8, 0.8])
    controls = [
        answers(design, f"gru {how}", [0.8, 0.8], "control", control_of="gru")
        for how in ("without recurrence", "on shuffled words")
    ]
    everyone = [whole, network, *controls]
    comparison = compare_answers(everyone, whole, design, design.class_ids, selection="", controlled=network)
    assert comparison.word_order is not None
    assert comparison.word_order.startswith("Word order does not matter here")
    assert "gru reaches 0.800, without recurrence 0.800" in comparison.word_order
    assert all(row.p_value is not None and row.p_value < 0.05 for row in comparison.rows if row.kind == "control")
    assert compare_answers([whole], whole, design, design.class_ids, selection="", controlled=None).word_order is None


def test_a_doubtful_difference_is_called_neither(design: Design) -> None:
    truth = design.class_ids

    def wrong_on(name: str, wrong: slice, kind: Kind = "model", control_of: str | None = None) -> Answers:
        predicted = truth.copy()
        predicted[wrong] = 1 - truth[wrong]
        trial = Trial(contender=name, seed=0, fold=0, predictions=tuple(predicted.tolist()), seconds=1.0)
        return collect(name, kind, [[trial]], truth, control_of=control_of)

    network = wrong_on("gru", slice(80))
    controls = [
        wrong_on("gru without recurrence", slice(40, 132), "control", "gru"),
        wrong_on("gru on shuffled words", slice(40, 132), "control", "gru"),
    ]
    found = compare_answers([network, *controls], network, design, truth, selection="", controlled=network).word_order
    assert found is not None
    assert found.startswith("400 texts do not show that word order matters here")


def test_the_best_is_chosen_by_validation_and_not_by_the_judged_texts(design: Design) -> None:
    modest = answers(design, "modest", [0.7], validation=0.9)
    lucky = answers(design, "lucky", [0.9], validation=0.8)
    best, how = choose_best([lucky, modest], design)
    assert best.name == "modest"
    assert "validation" in how
    assert choose_best([lucky, answers(design, "unknown", [0.7])], design)[0].name == "lucky"


def test_scores_are_means_over_seeds_and_others_are_tested_against_the_best(design: Design) -> None:
    best = answers(design, "best", [0.8, 0.9])
    worse = answers(design, "worse", [0.4, 0.5])
    baseline = answers(design, "Majority class", [0.5], "baseline")
    comparison = compare_answers([worse, baseline, best], best, design, design.class_ids, selection="", controlled=best)
    assert [row.name for row in comparison.rows] == ["best", "worse", "Majority class"]
    first, second, third = comparison.rows
    assert first.accuracy == pytest.approx(0.85)
    assert first.accuracy_spread is not None
    assert (first.accuracy_spread.low, first.accuracy_spread.high) == pytest.approx((0.8, 0.9))
    assert third.accuracy_spread is None
    assert second.verdict is not None
    assert second.verdict.startswith("worse by 40.0 points on 400 texts")
    assert comparison.test == "t-test over texts and seeds, corrected after Holm"
