import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity, logsigmoid

from sulsul.errors import KernelError
from sulsul.kernels.native import DocumentReader, set_thread_count

RNG = np.random.default_rng(0)


def vectors(n: int, size: int = 32) -> np.ndarray:
    return RNG.normal(size=(n, size)).astype(np.float32)


def squares(rows: np.ndarray) -> np.ndarray:
    return (rows**2).sum(axis=1)


class Documents:
    """Vectors of documents and n-grams, random n-grams in every document, and a reader of them."""

    def __init__(self, n_documents: int = 50, n_ngrams: int = 40, n_blocks: int = 8) -> None:
        rng = np.random.default_rng(1)
        self.ngrams, self.documents = (rng.normal(size=(n, 32)).astype(np.float32) for n in (n_ngrams, n_documents))
        self.ids = rng.integers(0, n_ngrams, 12 * n_documents).astype(np.int32)
        self.offsets = np.arange(n_documents + 1, dtype=np.int64) * 12
        self.noise = np.stack([np.arange(block, n_ngrams, n_blocks) for block in range(n_blocks)]).astype(np.int32)
        self.ngram_squares, self.document_squares = squares(self.ngrams), squares(self.documents)
        self.reader = DocumentReader(
            self.ngrams, self.ngram_squares, self.noise, strength=6.0, negatives=2, negative_weight=2.5
        )
        self.reader.bind(self.ids, self.offsets, self.documents, self.document_squares)

    def learn(self, passes: int, rate: float = 0.01) -> list[float]:
        rows = np.arange(len(self.documents))
        return [self.reader.learn(rows, rate=rate, seed=seed) for seed in range(passes)]


@pytest.mark.usefixtures("instruction_set")
def test_a_step_follows_the_gradient() -> None:
    ngrams, document = vectors(2), vectors(1)
    d, positive, negative = (torch.tensor(row, dtype=torch.float64, requires_grad=True) for row in [*document, *ngrams])
    loss = -logsigmoid(6 * cosine_similarity(d, positive, dim=0))
    loss = loss - 2.5 * logsigmoid(-6 * cosine_similarity(d, negative, dim=0))
    loss.backward()
    rate, found = 1e-3, document.copy()
    moved = ngrams.copy()
    reader = DocumentReader(
        moved, squares(ngrams), np.array([[1]], np.int32), strength=6.0, negatives=1, negative_weight=2.5
    )
    reader.bind(np.array([0], np.int32), np.array([0, 1]), found, squares(document))
    told = reader.learn(np.array([0]), rate=rate, seed=0)
    assert told == pytest.approx(loss.item(), rel=1e-5)
    for before, after, tensor in [
        (document[0], found[0], d),
        (ngrams[0], moved[0], positive),
        (ngrams[1], moved[1], negative),
    ]:
        assert tensor.grad is not None
        np.testing.assert_allclose(after - before, -rate * tensor.grad.numpy(), rtol=2e-3, atol=1e-6)


@pytest.mark.usefixtures("instruction_set")
def test_documents_come_near_their_ngrams_and_sums_of_squares_stay_true() -> None:
    made = Documents()
    losses = made.learn(200)
    assert losses[-1] < 0.8 * losses[0]
    np.testing.assert_allclose(made.ngram_squares, squares(made.ngrams), rtol=1e-5)
    np.testing.assert_allclose(made.document_squares, squares(made.documents), rtol=1e-5)
    cosines = made.documents @ made.ngrams.T / np.sqrt(np.outer(made.document_squares, made.ngram_squares))
    stands = np.zeros(cosines.shape, bool)
    for row, (start, end) in enumerate(zip(made.offsets[:-1], made.offsets[1:], strict=True)):
        stands[row, made.ids[start:end]] = True
    assert cosines[stands].mean() > cosines[~stands].mean() + 0.1


def test_results_depend_on_the_seed_and_not_on_the_number_of_threads() -> None:
    found = []
    for threads in (1, 2, 3):
        set_thread_count(threads)
        made = Documents()
        losses = made.learn(5)
        found.append((losses, made.ngrams.copy(), made.documents.copy()))
    for losses, ngrams, documents in found[1:]:
        assert losses == found[0][0]
        np.testing.assert_array_equal(ngrams, found[0][1])
        np.testing.assert_array_equal(documents, found[0][2])
    other = Documents()
    other.reader.learn(np.arange(50), rate=0.01, seed=99)
    assert not np.array_equal(other.ngrams, found[0][1])


def test_only_the_named_documents_are_read() -> None:
    made = Documents()
    before = made.documents.copy()
    made.reader.learn(np.array([3, 7]), rate=0.01, seed=0)
    assert np.flatnonzero((made.documents != before).any(axis=1)).tolist() == [3, 7]


@pytest.mark.parametrize(("rows", "said"), [([0, 50], "no document"), ([-1], "no document"), ([4, 4], "stands twice")])
def test_rows_that_cannot_be_read_are_refused(rows: list[int], said: str) -> None:
    with pytest.raises(KernelError, match=said):
        Documents().reader.learn(np.array(rows), rate=0.01, seed=0)


def test_arrays_that_do_not_fit_are_refused() -> None:
    made = Documents()
    options = {"strength": 6.0, "negatives": 2, "negative_weight": 2.5}
    with pytest.raises(KernelError, match="multiple of 16"):
        DocumentReader(vectors(8, 20), np.ones(8, np.float32), made.noise, **options)
    with pytest.raises(KernelError, match="one sum of squares"):
        DocumentReader(made.ngrams, np.ones(8, np.float32), made.noise, **options)
    with pytest.raises(KernelError, match="modulo"):
        DocumentReader(made.ngrams, made.ngram_squares, made.noise[::-1].copy(), **options)
    with pytest.raises(KernelError, match="without a vector"):
        made.reader.bind(made.ids + 40, made.offsets, made.documents, made.document_squares)
    with pytest.raises(KernelError, match="end with the ids"):
        made.reader.bind(made.ids[:-1], made.offsets, made.documents, made.document_squares)
    with pytest.raises(KernelError, match="differ in size"):
        made.reader.bind(made.ids, made.offsets, vectors(50, 16), np.ones(50, np.float32))
    with pytest.raises(KernelError):
        made.reader.bind(made.ids.astype(np.int64), made.offsets, made.documents, made.document_squares)
