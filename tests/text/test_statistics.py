import numpy as np
import pytest

from sulsul.text import TextSettings, Tokenizer
from sulsul.text.statistics import truncated_share, unknown_share


@pytest.mark.parametrize("reserved", [("pad", "start", "oov"), ("pad", "start")])
def test_unknown_tokens_count_whether_kept_or_dropped(reserved):
    settings = TextSettings(reserved=reserved, max_length=3, pad_to=9)
    encoded = Tokenizer.fit(["so good"], settings).encode_with_lengths(["so so bad so", "", "bad bad so good"])
    assert encoded.token_counts.tolist() == [4, 0, 4]
    assert encoded.unknown_counts.tolist() == [1, 0, 2]
    assert unknown_share(encoded) == 3 / 8


def test_no_tokens_at_all():
    tokenizer = Tokenizer.fit(["so good"], TextSettings())
    assert unknown_share(tokenizer.encode_with_lengths([])) == 0.0
    assert unknown_share(tokenizer.encode_with_lengths([""])) == 0.0


def test_truncated_share():
    lengths = np.array([1, 5, 6, 9])
    assert truncated_share(lengths, 5) == 0.5
    assert truncated_share(lengths, None) == 0.0
    assert truncated_share(lengths[:0], 5) == 0.0
