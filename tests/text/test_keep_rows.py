import numpy as np
import pytest

from sulsul.errors import TokenizerError
from sulsul.text import Tokenizer
from sulsul.text.settings import TextSettings

TEXTS = ["한국어 문장", "한국어 단어 문장", "english words", "한국 사람"]


def rows_of(tokenizer, text):
    """Return the names of the rows that a text is read from."""
    encoded = tokenizer.encode_with_lengths([text])
    names = tokenizer.vocabulary()
    if encoded.types is None:
        return [names[token] for token in encoded.token_ids.tolist()]
    types = encoded.types.select(encoded.token_ids)
    return [names[part] for part in types.part_ids.tolist()]


@pytest.mark.parametrize(
    "settings",
    [TextSettings(), TextSettings(tokenizer="char"), TextSettings(ngrams=(1, 3)), TextSettings(reserved=("pad",))],
)
def test_kept_rows_are_read_as_before_and_others_not_at_all(settings):
    whole = Tokenizer.fit(TEXTS, settings)
    names = whole.vocabulary()
    n_fixed = whole.n_fixed_rows
    rows = np.array([*range(n_fixed), *range(n_fixed, len(names), 2)])
    small = Tokenizer.from_json(whole.keep_rows(rows).to_json(), settings)
    assert small.vocabulary() == [names[row] for row in rows]
    for text in TEXTS:
        kept = set(small.vocabulary())
        expected = [name for name in rows_of(whole, text) if name in kept]
        assert [name for name in rows_of(small, text) if name != "[OOV]"] == [n for n in expected if n != "[OOV]"]


def test_buckets_stay_behind_the_words():
    settings = TextSettings(ngrams=(2, 3), ngram_buckets=16)
    whole = Tokenizer.fit(TEXTS, settings)
    n_buckets, n_reserved, n_rows = 16, 2, whole.vocabulary_size
    assert whole.n_fixed_rows == n_buckets + n_reserved
    rows = np.array([0, 1, 3, *range(n_rows - n_buckets, n_rows)])
    small = whole.keep_rows(rows)
    assert small.vocabulary_size == len(rows)
    assert small.vocabulary()[2] == whole.vocabulary()[3]
    with pytest.raises(TokenizerError, match="bucket"):
        whole.keep_rows(rows[:-1])


def test_rows_that_must_stay_are_insisted_on():
    tokenizer = Tokenizer.fit(TEXTS, TextSettings())
    for rows in ([1, 2], [0, 1, 3, 2], [0, 1, 99]):
        with pytest.raises(TokenizerError, match="must rise"):
            tokenizer.keep_rows(np.array(rows))
    subword = Tokenizer.fit(TEXTS, TextSettings(tokenizer="subword", vocabulary_size=60))
    everything = np.arange(subword.vocabulary_size)
    assert subword.keep_rows(everything).vocabulary() == subword.vocabulary()
    assert subword.n_fixed_rows == subword.vocabulary_size
    with pytest.raises(TokenizerError, match="merged"):
        subword.keep_rows(everything[:-1])
