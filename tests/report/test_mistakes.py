"""The most confidently wrong texts, in order, with their rows and ids."""

import numpy as np
import polars as pl

from sulsul.report.mistakes import confident_mistakes, excerpt

GIVEN = np.array([[0.9, 0.1], [0.2, 0.8], [0.01, 0.99], [0.6, 0.4]])


def test_the_most_confident_comes_first():
    found = confident_mistakes(
        pl.Series(["가", "나", "다", "라"]),
        [1, 1, 0, 0],
        GIVEN,
        ["a", "b"],
        rows=[10, 20, 30, 40],
        ids=pl.Series(["x", "y", "z", None]),
    )
    assert [(m.row, m.id, m.text, m.true, m.predicted, m.probability) for m in found] == [
        (30, "z", "다", "a", "b", 0.99),
        (10, "x", "가", "b", "a", 0.9),
    ]


def test_rows_count_from_one_and_the_limit_holds():
    found = confident_mistakes(["p", "q", "r", "s"], [1, 0, 0, 1], GIVEN, ["a", "b"], limit=2)
    assert [m.row for m in found] == [3, 1]
    assert found[0].id is None


def test_a_wrong_label_of_a_set_names_the_label():
    found = confident_mistakes(["p", "q"], np.array([[1, 0], [0, 1]]), [[0.1, 0.2], [0.7, 0.9]], ["버스", "도로"])
    assert [(m.row, m.true, m.predicted) for m in found] == [(1, "버스", "not 버스"), (2, "not 버스", "버스")]


def test_excerpts_are_short_and_on_one_line():
    assert excerpt("a\n\n b") == "a b"
    assert excerpt("가" * 1000) == "가" * 300 + "…"
    assert excerpt(" " * 5000 + "end").endswith("…")
    assert excerpt("가" * 300) == "가" * 300
