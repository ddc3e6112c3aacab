import numpy as np
import pytest

from sulsul.evaluation.uncertainty import uncertainty


@pytest.mark.parametrize("measure", ["margin", "entropy"])
@pytest.mark.parametrize("multi_label", [False, True])
def test_undecided_is_one_and_certain_is_zero(measure, multi_label):
    undecided, certain = ([0.5, 0.5], [1.0, 0.0])
    found = uncertainty([undecided, certain], measure, multi_label=multi_label)
    assert found == pytest.approx([1.0, 0.0])


def test_margin_looks_at_the_two_best_classes_and_entropy_at_all():
    two, three = [0.45, 0.45, 0.1], [0.4, 0.3, 0.3]
    assert uncertainty([two, three], "margin", multi_label=False) == pytest.approx([1.0, 0.9])
    entropies = uncertainty([two, three], "entropy", multi_label=False)
    assert entropies[0] < entropies[1]


def test_of_label_sets_the_least_decided_label_counts_for_the_margin():
    assert uncertainty(np.array([[0.99, 0.4], [0.3, 0.3]]), "margin", multi_label=True) == pytest.approx([0.8, 0.6])
