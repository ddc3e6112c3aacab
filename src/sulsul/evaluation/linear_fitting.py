"""Fitting linear support vector machines on TF-IDF, one against the rest, with C chosen inside the training texts."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import JsonValue

from sulsul.evaluation.logits import answers_of_logits
from sulsul.evaluation.metrics import FloatArray, label_counts
from sulsul.evaluation.ngram_vectors import VectorBasis

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from sklearn.svm import LinearSVC

Labels = NDArray[Any]

CERTAIN = 10.0
"""Decision of a label that every training text has (or −10: that none has); margins of trained models are about 1."""

_GRID = (0.1, 0.3, 1.0, 3.0, 10.0)
_FOLDS = 5
# C is chosen by cross-validation on up to so many stored values, with three of the five folds where these times the
# models to fit exceed the second number; above, by one held-out fifth of at most so many. Five full folds took 43 s on
# the ten classes of Seoul 120, on a busy machine; this took 10 s there and chose the same C.
_CROSS_VALIDATED_VALUES = 3_000_000
_FIVE_FOLD_VALUES = 5_000_000
_HELD_OUT_VALUES = 10_000_000
_MAX_ITERATIONS = 2_000
# While choosing, a rough solution is enough: on Seoul 120 held-out accuracy moved by at most 0.002 and time halved.
_CHOOSING_TOLERANCE = 0.1
_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Fitted:
    """float32 weights (F, K) and intercepts (K,); K is 1 for two exclusive classes and C otherwise."""

    weights: NDArray[np.float32]
    intercepts: NDArray[np.float32]
    converged: bool


@dataclass(frozen=True, eq=False)
class Choice:
    """The chosen C, how it was found, and its decisions (B, K) on the training texts that were held out."""

    strength: float
    settings: dict[str, JsonValue]
    score: float | None
    decisions: FloatArray
    truth: Labels


@dataclass(frozen=True, eq=False)
class LinearFit:
    """Training texts to which linear models are fitted.

    Attributes
    ----------
    matrix
        TF-IDF values (B, F).
    truth
        Class ids (B,), or multi-hot (B, C).
    by_ratio
        Whether columns are scaled by :func:`log_count_ratios`, anew in every fold.
    weights
        How much each text counts (B,), or for each column of the decisions (B, K); None: all the same.
    basis
        Vectors of some columns of the matrix: the products with it are features too.
    """

    matrix: "csr_array"
    truth: Labels
    n_classes: int
    seed: int
    by_ratio: bool = False
    weights: FloatArray | None = None
    basis: VectorBasis | None = None

    def at(self, strength: float, rows: NDArray[np.int64] | None = None, *, tolerance: float = _TOLERANCE) -> Fitted:
        """Fit one model per column with C = ``strength``, to all texts or to some rows.

        A label that all texts have, or none, is answered by a constant.
        """
        matrix = self.matrix if rows is None else self.matrix[rows]
        targets = self._targets if rows is None else self._targets[rows]
        counts = self._counts(targets.shape, rows)
        ratios = log_count_ratios(matrix, targets, counts) if self.by_ratio else None
        weights = np.zeros((matrix.shape[1], targets.shape[1]), np.float32)
        intercepts = np.zeros(targets.shape[1], np.float32)
        converged = True
        products = None
        if self._products is not None:
            products = _in_proportion(self._products if rows is None else self._products[rows])
        for column, target in enumerate(targets.T):
            if target.all() or not target.any():
                intercepts[column] = CERTAIN if target.all() else -CERTAIN
                continue
            scaled, factors = (matrix, 1.0) if ratios is None else _scaled(matrix, ratios[:, column])
            both = scaled if products is None else _beside(scaled, products[0])
            model = _fitted(both, target, counts[:, column], strength, self.seed, tolerance)
            weights[:, column] = model.coef_[0][: matrix.shape[1]] * factors
            if self.basis is not None and products is not None:
                self.basis.add_weights(weights[:, column], model.coef_[0][matrix.shape[1] :] / products[1])
            intercepts[column] = model.intercept_[0]
            converged &= int(np.max(model.n_iter_)) < _MAX_ITERATIONS
        return Fitted(weights, intercepts, converged)

    def choose_strength(self, grid: Sequence[float] = _GRID) -> Choice:
        """Return the C with the best mean score on held-out texts, the smallest of equals, and how it was found.

        Scores rise and then fall with C while the time grows, so the search stops after two steps below the best.
        """
        rng = np.random.default_rng(self.seed)
        fold_of = _stratified_folds(self.truth, rng)
        rows = np.arange(len(self.truth))
        n_folds = _FOLDS if self.matrix.nnz * self._targets.shape[1] <= _FIVE_FOLD_VALUES else 3
        if self.matrix.nnz > _CROSS_VALIDATED_VALUES:
            n_folds = 1
            share = min(1.0, _HELD_OUT_VALUES / self.matrix.nnz)
            rows = np.sort(rng.permutation(len(rows))[: max(_FOLDS, int(share * len(rows)))])
        how = (
            f"{n_folds} folds of cross-validation"
            if n_folds > 1
            else f"a held-out fifth of {len(rows):,} training texts"
        )
        tried: dict[str, float] = {}
        best, below = Choice(grid[0], {}, None, np.zeros((0, 1)), self.truth[:0]), 0
        for strength in grid:
            folds = list(self._held_out(fold_of, rows, n_folds, strength))
            if not folds:
                break  # too few texts: the smallest C stands
            score = float(np.mean([_selection_score(held_out, decisions) for held_out, decisions in folds]))
            tried[f"{strength:g}"] = round(score, 4)
            below += 1
            if best.score is None or score > best.score:
                held_out, decisions = (np.concatenate(parts) for parts in zip(*folds, strict=True))
                best, below = Choice(strength, {}, score, decisions, held_out), 0
            if below == 2:
                break
        return replace(best, settings={"chosen_by": how, "held_out_scores": dict(tried)})

    @property
    def _targets(self) -> NDArray[np.bool_]:
        """What each column of the decisions is about, shape (B, K)."""
        if self.truth.ndim == 2:
            return np.asarray(self.truth > 0)
        of = [1] if self.n_classes == 2 else list(range(self.n_classes))
        return np.asarray(self.truth[:, None] == np.array(of))

    @cached_property
    def _products(self) -> NDArray[np.float32] | None:
        """The features that the vectors make (B, D), for every C and fold."""
        return None if self.basis is None else self.basis.project(self.matrix)

    def _held_out(
        self, fold_of: NDArray[np.int64], rows: NDArray[np.int64], n_folds: int, strength: float
    ) -> Iterator[tuple[Labels, FloatArray]]:
        """Yield the truth and the decisions (B, K) of the texts held out by each fold."""
        for fold in range(n_folds):
            fitted, held_out = rows[fold_of[rows] != fold], rows[fold_of[rows] == fold]
            if not len(held_out) or (self.truth.ndim == 1 and len(np.unique(self.truth[fitted])) < 2):
                continue
            model = self.at(strength, fitted, tolerance=_CHOOSING_TOLERANCE)
            decisions = self.matrix[held_out] @ model.weights.astype(np.float64) + model.intercepts
            yield self.truth[held_out], np.asarray(decisions)

    def _counts(self, shape: tuple[int, ...], rows: NDArray[np.int64] | None) -> FloatArray:
        """Return how much each text counts for each column."""
        if self.weights is None:
            return np.ones(shape)
        weights = self.weights if rows is None else self.weights[rows]
        return np.broadcast_to(weights if weights.ndim == 2 else weights[:, None], shape)


def log_count_ratios(matrix: "csr_array", targets: NDArray[np.bool_], counts: FloatArray) -> FloatArray:
    """Return how much more often a feature occurs with a label than without it, (F, K): the weights of naive Bayes.

    log(p / q), where p is 1 + the number of texts of the label with the feature, each counting as ``counts`` (B, K)
    says, q that of the others, each divided by its sum over all features (Wang & Manning 2012, "Baselines and Bigrams",
    section 2.2). A feature occurs where the matrix (B, F) stores a value. Scaling features by it makes a support vector
    machine start from naive Bayes: better on every data set tried here (docs/accuracy.md).

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> matrix = csr_array(np.array([[0.5, 0.0], [1.0, 0.0], [0.0, 2.0]]))
    >>> log_count_ratios(matrix, np.array([[True], [True], [False]]), np.ones((3, 1))).round(2).tolist()
    [[0.81], [-0.98]]
    """
    with_label, without = (_occurrences(matrix, chosen * counts) + 1.0 for chosen in (targets, ~targets))
    return np.asarray(np.log(with_label / with_label.sum(axis=0)) - np.log(without / without.sum(axis=0)))


def _occurrences(matrix: "csr_array", weights: FloatArray) -> FloatArray:
    """Return how much the rows weigh (B, K) that store each feature, (F, K)."""
    entries, n_features = np.diff(matrix.indptr), matrix.shape[1]
    columns = [np.bincount(matrix.indices, np.repeat(column, entries), n_features) for column in weights.T]
    return np.stack(columns, axis=1)


def as_labels(labels: ArrayLike) -> Labels:
    """Return class ids (B,) or multi-hot (B, C) as int64."""
    values = np.asarray(labels)
    return (values > 0.5).astype(np.int64) if values.ndim == 2 else values.astype(np.int64)


def _scaled(matrix: "csr_array", ratios: FloatArray) -> "tuple[csr_array, FloatArray]":
    """Return the matrix with scaled columns and by what, such that rows keep a mean square of 1 and C its meaning."""
    from scipy.sparse import csr_array

    values = ratios[matrix.indices]
    values *= matrix.data
    size = np.sqrt(values @ values / max(1, matrix.shape[0])) or 1.0
    values /= size
    return csr_array((values, matrix.indices, matrix.indptr), shape=matrix.shape), ratios / size


def _in_proportion(products: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Return dense features (B, D) divided such that rows have a mean square of 1, as sparse ones have, and by what."""
    size = float(np.sqrt((products.astype(np.float64) ** 2).sum() / max(1, len(products)))) or 1.0
    return products / np.float32(size), size


def _beside(matrix: "csr_array", products: NDArray[np.float32]) -> "csr_array":
    """Return a matrix (B, F) with dense columns (B, D) behind its own."""
    from scipy.sparse import csr_array, hstack

    both = csr_array(hstack([matrix, csr_array(products.astype(np.float64))], format="csr"))
    both.indices, both.indptr = both.indices.astype(np.int32), both.indptr.astype(np.int32)  # as LIBLINEAR wants them
    return both


def _fitted(
    matrix: "csr_array", target: NDArray[np.bool_], counts: FloatArray, strength: float, seed: int, tolerance: float
) -> "LinearSVC":
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    model = LinearSVC(C=strength, dual=True, tol=tolerance, max_iter=_MAX_ITERATIONS, random_state=seed)
    with warnings.catch_warnings():
        # Whether the solver converged is recorded in the settings instead.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(matrix, target.astype(np.int64), sample_weight=counts)


def _selection_score(truth: Labels, decisions: FloatArray) -> float:
    """Accuracy; for label sets micro-F1, which whole-set accuracy is too coarse to choose by."""
    predicted = answers_of_logits(decisions, multi_label=truth.ndim == 2)
    if truth.ndim == 1:
        return float((truth == predicted).mean())
    hits, support, answered = (int(count.sum()) for count in label_counts(truth, predicted, truth.shape[1]))
    return 2 * hits / max(1, support + answered)


def _stratified_folds(truth: Labels, rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal the texts of every class out to the folds in turn; a class may have fewer texts than there are folds."""
    groups = np.unique(truth, axis=0, return_inverse=True)[1].reshape(-1)
    order = rng.permutation(len(groups))
    order = order[np.argsort(groups[order], kind="stable")]
    fold_of = np.empty(len(groups), np.int64)
    fold_of[order] = np.arange(len(groups)) % _FOLDS
    return fold_of
