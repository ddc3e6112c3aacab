"""McNemar, Holm and the words around them, worked by hand."""

import numpy as np
import pytest

from sulsul.evaluation.significance import PairedComparison, compare_paired, holm, mcnemar, words


def outcomes(only_first: int, only_second: int, both: int = 10) -> tuple[np.ndarray, np.ndarray]:
    first = np.repeat([True, False, True], [only_first, only_second, both])
    second = np.repeat([False, True, True], [only_first, only_second, both])
    return first, second


def test_exact_p_value_by_hand():
    # 1 against 5 of 6 coins: 2 · (1 + 6) / 2⁶
    result = mcnemar(*outcomes(1, 5))
    assert (result.method, result.only_first, result.only_second, result.n) == ("exact", 1, 5, 16)
    assert result.p_value == pytest.approx(14 / 64)


def test_mid_p_counts_half_of_what_was_seen():
    # 2 · (1 + 6/2) / 2⁶
    assert mcnemar(*outcomes(1, 5), method="mid-p").p_value == pytest.approx(8 / 64)


def test_chi_squared_from_25_discordant_texts_on():
    # (|30 − 15| − 1)² / 45 = 4.3556; P(χ²₁ > 4.3556) = 0.03689
    result = mcnemar(*outcomes(30, 15))
    assert result.method == "chi-squared"
    assert result.p_value == pytest.approx(0.03689, abs=1e-5)
    assert mcnemar(*outcomes(12, 12)).method == "exact"


def test_agreement_is_no_evidence():
    assert mcnemar(*outcomes(0, 0)).p_value == 1.0
    assert mcnemar(*outcomes(5, 5)).p_value == 1.0


def test_exchanging_the_classifiers_changes_nothing():
    first, second = outcomes(3, 9)
    assert mcnemar(first, second).p_value == mcnemar(second, first).p_value


def test_unpaired_shapes_are_refused():
    with pytest.raises(ValueError, match="paired"):
        mcnemar([True], [True, False])


def test_holm_by_hand():
    # sorted 0.005·4, 0.01·3, 0.03·2, 0.04·1, made monotone
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert holm([]).size == 0


def test_holm_refuses_what_is_no_probability():
    with pytest.raises(ValueError, match="p-values"):
        holm([1.5])


def test_words():
    assert words(0.41, 428, difference=0.005) == "not distinguishable on 428 texts (p = 0.41)"
    assert words(0.012, 428, difference=0.03) == "better by 3.0 points on 428 texts (p = 0.012)"
    assert words(0.0001, 1, difference=-0.1) == "worse by 10.0 points on 1 text (p < 0.001)"
    assert words(0.2, 9, paired=False) == "not distinguishable on 9 texts (p = 0.20, unpaired)"


def test_comparisons_made_together_are_adjusted_together():
    first, second = outcomes(20, 4, both=100)
    compared = compare_paired("ours", first, {"theirs": second, "same": first})
    worse, same = compared
    assert (worse.first, worse.second, worse.n) == ("ours", "theirs", 124)
    assert worse.difference == pytest.approx(16 / 124)
    assert worse.interval[0] < worse.difference < worse.interval[1]
    assert worse.adjusted_p_value == pytest.approx(2 * worse.p_value)
    assert worse.words.startswith("better by 12.9 points on 124 texts")
    assert same.words == "not distinguishable on 124 texts (p = 1.00)"
    assert PairedComparison.model_validate_json(worse.model_dump_json()) == worse
