import unicodedata

import numpy as np
import pytest

from sulsul.errors import DataError
from sulsul.text.vectors import read_vectors

VOCABULARY = ["[PAD]", "[OOV]", "good", "한국", "absent"]
LINES = ["good 1 2 3\n", "other 9 9 9\n", unicodedata.normalize("NFD", "한국") + " 4e-1 -5 6 \n", "good 7 7 7\n"]


@pytest.mark.parametrize("header", [[], ["4 3\n"]])
def test_picks_the_vectors_of_the_vocabulary(header):
    vectors = read_vectors(iter([*header, *LINES]), VOCABULARY)
    assert vectors.matrix.dtype == np.float32
    assert vectors.matrix.shape == (5, 3)
    np.testing.assert_array_equal(vectors.matrix[2:4], np.array([[1, 2, 3], [0.4, -5, 6]], np.float32))
    assert vectors.found.tolist() == [False, False, True, True, False]
    assert vectors.n_found == 2


def test_the_others_are_random_by_seed():
    first, again, other = (read_vectors(LINES, VOCABULARY, seed=seed).matrix for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.all(first[4] != other[4])
    assert np.abs(first[[0, 1, 4]]).max() <= 0.05


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1 2", "good 1 2 3"], r"wiki.vec, line 2 \('good'\): 3 numbers where 2"),
        (["other 1 2 3", "good 1 2"], r"line 2 \('good'\): 2 numbers where 3"),
        (["good 1 x"], r"line 1 .*must be a number"),
        (["good 1 nan"], r"line 1 .*NaN or infinity"),
        (["good 1 1e99"], r"line 1 .*NaN or infinity"),
        (["2 0", "good "], r"line 2 .*0 numbers"),
        (["other 1 2"], "no vector for any of the 5 tokens"),
        ([], "no vector"),
    ],
)
def test_what_is_refused(lines, message):
    with pytest.raises(DataError, match=message):
        read_vectors(lines, VOCABULARY, source="wiki.vec")
