import pytest

from sulsul.text import vocabulary
from sulsul.text.vocabulary import count_tokens


def test_tokens_are_counted_in_the_order_of_their_first_occurrence() -> None:
    counts = count_tokens([[["b", "a"], ["a"]], [["c", "b"]]])
    assert list(counts.items()) == [("b", 2), ("a", 2), ("c", 1)]


def test_the_rarer_half_of_too_many_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "MOST_COUNTED", 4)
    counts = count_tokens([[["a", "b", "b", "c", "d", "d", "e"]], [["a", "c", "d"]]])
    assert list(counts.items()) == [("b", 2), ("d", 3), ("a", 1), ("c", 1)]
