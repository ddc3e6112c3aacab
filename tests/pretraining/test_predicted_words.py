import numpy as np
import pytest

from sulsul.batching import EncodedCorpus
from sulsul.errors import DataError
from sulsul.pretraining.predicted_words import NegativeSampler, PredictedWords, word_rows
from sulsul.pretraining.segments import single_part_types
from sulsul.text import Tokenizer
from sulsul.text.settings import TextSettings

TEXTS = ["so good", "so bad so", "nothing good"]


def corpus_of(tokenizer: Tokenizer, texts: list[str]) -> EncodedCorpus:
    encoded = tokenizer.encode_with_lengths(texts)
    types = encoded.types or single_part_types(tokenizer.vocabulary_size)
    return EncodedCorpus(encoded.token_ids, encoded.offsets, types=types)


@pytest.mark.parametrize("ngrams", [None, (1, 3)])
def test_words_are_predicted_by_frequency_and_nothing_else_is(ngrams: tuple[int, int] | None) -> None:
    tokenizer = Tokenizer.fit(TEXTS, TextSettings(ngrams=ngrams))
    corpus = corpus_of(tokenizer, [*TEXTS, "unseen gob"])
    predicted = PredictedWords.find(corpus, tokenizer, 2)
    assert predicted.counts.tolist() == [3, 2]
    names = tokenizer.vocabulary()
    assert [names[row] for row in np.flatnonzero(predicted.of_row >= 0)] == ["so", "good"]
    assert corpus.types is not None
    found = predicted.of_types(corpus.types)[corpus.token_ids]
    assert found.tolist() == [0, 1, 0, -1, 0, -1, 1, -1, -1]


def test_words_without_number_are_refused() -> None:
    tokenizer = Tokenizer.fit(["one"], TextSettings())
    with pytest.raises(DataError, match="fewer than two words"):
        PredictedWords.find(corpus_of(tokenizer, ["one one"]), tokenizer, 10)


def test_word_rows_leave_out_reserved_ones_and_ngrams() -> None:
    tokenizer = Tokenizer.fit(TEXTS, TextSettings(ngrams=(1, 2), ngram_buckets=5))
    assert tokenizer.vocabulary()[slice(*word_rows(tokenizer))] == ["so", "good", "bad", "nothing"]


def test_draws_follow_the_frequencies_and_the_step_alone() -> None:
    counts = np.array([1000, 100, 10, 1])
    sampler = NegativeSampler(counts, 64, seed=3)
    first, again = sampler.draw(7), NegativeSampler(counts, 64, seed=3).draw(7)
    assert first.words.tolist() == again.words.tolist()
    shares = counts**0.75 / (counts**0.75).sum()
    np.testing.assert_allclose(np.exp(sampler.log_expected), 64 * shares, rtol=1e-5)
    times = np.zeros(4)
    for step in range(200):
        negatives = sampler.draw(step)
        times[negatives.words] += np.exp(sampler.log_expected[negatives.words] - negatives.log_expected)
    np.testing.assert_allclose(times / times.sum(), shares, atol=0.01)
