"""What a classifier must beat: always the same answer, and linear models on TF-IDF.

The linear model is a support vector machine (squared hinge loss; Fan et al. 2008, LIBLINEAR). On character n-grams it
was 0.4 to 3.3 points above logistic regression with C = 10 on Seoul 120 and on headlines, and equal on NSMC and IMDB.
Its C is chosen inside the training split, never on the texts that are evaluated.
"""

import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, JsonValue

from sulsul.errors import LabelError
from sulsul.evaluation.blending import fit_scale
from sulsul.evaluation.intervals import Interval, macro_f1_interval, wilson_interval
from sulsul.evaluation.linear_classifier import LinearClassifier, assemble
from sulsul.evaluation.logits import answers_of_logits
from sulsul.evaluation.metrics import label_counts, macro_f1
from sulsul.evaluation.ngrams import Unit, fit_tfidf

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from sklearn.svm import LinearSVC

Texts = Sequence[str] | pl.Series
Labels = NDArray[Any]

LONGEST: dict[Unit, int] = {"word": 2, "char": 4}
MAJORITY_TITLE = "Majority class"
TITLES: dict[Unit, str] = {"word": "TF-IDF words 1–2, linear", "char": "TF-IDF characters 1–4, linear"}

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


class BaselineScores(BaseModel):
    """How well a baseline does on the evaluated texts, and what it took.

    ``settings`` says what was chosen (``C``) and how; ``seconds`` covers features, the choice of C, fitting and
    predicting.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    n: int
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    seconds: float
    settings: dict[str, JsonValue] = {}


@dataclass(frozen=True, eq=False)
class BaselineResult:
    """Scores of a baseline and its predictions, for paired tests.

    ``predictions`` are class ids of shape (B,), or multi-hot of shape (B, C).
    """

    scores: BaselineScores
    predictions: NDArray[np.int64]


def majority(train_labels: ArrayLike, eval_labels: ArrayLike, *, n_classes: int) -> BaselineResult:
    """Answer always the most frequent class of the training split (for label sets: the most frequent set).

    Parameters
    ----------
    train_labels, eval_labels
        Class ids of shape (B,), or multi-hot of shape (B, C).

    Raises
    ------
    LabelError
        If there are no training labels.
    """
    started = time.perf_counter()
    train, truth = _as_labels(train_labels), _as_labels(eval_labels)
    if not len(train):
        raise LabelError("There are no labelled texts in the training split: check the label column and the split.")
    values, counts = np.unique(train, axis=0, return_counts=True)
    predictions = np.repeat(values[counts.argmax()][None], len(truth), axis=0)
    share = float(counts.max() / counts.sum())
    return _result("majority", MAJORITY_TITLE, truth, predictions, n_classes, started, {"training_share": share})


def linear_baselines(
    train_texts: Texts,
    train_labels: ArrayLike,
    eval_texts: Texts,
    eval_labels: ArrayLike,
    *,
    n_classes: int,
    units: Sequence[Unit] = ("word", "char"),
    seed: int = 0,
) -> list[BaselineResult]:
    """Fit a linear model per unit on the training split and judge it on other texts.

    Parameters
    ----------
    train_texts, eval_texts
        Texts; an empty text is legal.
    train_labels, eval_labels
        Class ids of shape (B,), or multi-hot of shape (B, C): one model per label then.
    n_classes
        Number of declared classes C.
    units
        ``word``: 1-2-grams; ``char``: 1-4-grams.
    seed
        Seed of the folds and of the solver.

    Raises
    ------
    LabelError
        If the training labels hold fewer than two classes.
    """
    return [
        judge_linear_baseline(
            fit_linear_baseline(train_texts, train_labels, unit, n_classes=n_classes, seed=seed),
            eval_texts,
            eval_labels,
            n_classes=n_classes,
        )
        for unit in units
    ]


@dataclass(frozen=True, eq=False)
class LinearBaseline:
    """A fitted linear model on TF-IDF n-grams.

    Attributes
    ----------
    held_out_score
        Of the chosen C on held-out training texts: accuracy, or micro-F1 for label sets; None where the training
        texts were too few to hold any out.
    seconds
        Features, the choice of C and fitting.
    """

    classifier: LinearClassifier
    held_out_score: float | None
    seconds: float

    @property
    def unit(self) -> Unit:
        """What its n-grams are made of."""
        return self.classifier.features.unit

    @property
    def settings(self) -> dict[str, JsonValue]:
        """What was chosen, and how."""
        return dict(self.classifier.settings)

    def predict(self, texts: Texts) -> NDArray[np.int64]:
        """Return class ids of shape (B,), or multi-hot of shape (B, C)."""
        return self.classifier.predict(texts)


def fit_linear_baseline(
    texts: Texts,
    labels: ArrayLike,
    unit: Unit,
    *,
    n_classes: int | None = None,
    seed: int = 0,
    strength: float | None = None,
) -> LinearBaseline:
    """Fit TF-IDF features and a linear model whose C is chosen inside these texts, unless ``strength`` gives it.

    See :func:`linear_baselines` for the parameters and errors; without ``n_classes`` the classes are those found.
    """
    started = time.perf_counter()
    truth = _as_labels(labels)
    if truth.ndim == 1 and len(np.unique(truth)) < 2:
        raise LabelError("The training split holds fewer than two classes: nothing can be learned from it.")
    n_classes = n_classes or (truth.shape[1] if truth.ndim == 2 else int(truth.max()) + 1)
    features, matrix = fit_tfidf(texts, unit, LONGEST[unit])
    grid = _GRID if strength is None else (strength,)
    choice = _choose_strength(matrix, truth, n_classes, seed, grid)
    models = _fit(matrix, truth, choice.strength, seed)
    settings = choice.settings | {
        "C": choice.strength,
        "ngrams": f"1-{LONGEST[unit]}",
        "features": features.n_features,
        "converged": all(isinstance(m, int) or int(np.max(m.n_iter_)) < _MAX_ITERATIONS for m in models),
    }
    multi_label = truth.ndim == 2
    weights, intercepts = assemble(models, features.n_features, n_classes=n_classes, multi_label=multi_label)
    scale = fit_scale(choice.decisions, choice.truth)
    classifier = LinearClassifier(features, weights, intercepts, multi_label, scale, settings)
    return LinearBaseline(classifier, choice.score, time.perf_counter() - started)


def judge_linear_baseline(model: LinearBaseline, texts: Texts, labels: ArrayLike, *, n_classes: int) -> BaselineResult:
    """Judge a fitted model on other texts; see :func:`linear_baselines`."""
    started = time.perf_counter() - model.seconds
    truth = _as_labels(labels)
    predictions = model.predict(texts)
    name = f"tfidf-{model.unit}"
    return _result(name, TITLES[model.unit], truth, predictions, n_classes, started, model.settings)


@dataclass(frozen=True, eq=False)
class _Choice:
    """The chosen C, how it was found, and its decisions (B, K) on the training texts that were held out."""

    strength: float
    settings: dict[str, JsonValue]
    score: float | None
    decisions: NDArray[np.float64]
    truth: Labels


def _choose_strength(matrix: "csr_array", truth: Labels, n_classes: int, seed: int, grid: Sequence[float]) -> _Choice:
    """Return the C with the best mean score on held-out training texts, the smallest of equals, and how it was found.

    Scores rise and then fall with C while the time grows, so the search stops after two steps in a row below the best.
    """
    rng = np.random.default_rng(seed)
    fold_of = _stratified_folds(truth, rng)
    rows = np.arange(len(truth))
    n_models = truth.shape[1] if truth.ndim == 2 else len(np.unique(truth))
    n_folds = _FOLDS if matrix.nnz * n_models <= _FIVE_FOLD_VALUES else 3
    if matrix.nnz > _CROSS_VALIDATED_VALUES:
        n_folds = 1
        share = min(1.0, _HELD_OUT_VALUES / matrix.nnz)
        rows = np.sort(rng.permutation(len(truth))[: max(_FOLDS, int(share * len(truth)))])
    how = f"{n_folds} folds of cross-validation" if n_folds > 1 else f"a held-out fifth of {len(rows):,} training texts"
    tried: dict[str, float] = {}
    best, below = _Choice(grid[0], {}, None, np.zeros((0, 1)), truth[:0]), 0
    for strength in grid:
        folds = list(_held_out(matrix, truth, n_classes, fold_of, rows, n_folds, strength, seed))
        if not folds:
            break  # too few texts: the smallest C stands
        score = float(np.mean([_selection_score(held_out, decisions) for held_out, decisions in folds]))
        tried[f"{strength:g}"] = round(score, 4)
        below += 1
        if best.score is None or score > best.score:
            held_out, decisions = (np.concatenate(parts) for parts in zip(*folds, strict=True))
            best, below = _Choice(strength, {}, score, decisions, held_out), 0
        if below == 2:
            break
    return replace(best, settings={"chosen_by": how, "held_out_scores": dict(tried)})


def _held_out(
    matrix: "csr_array",
    truth: Labels,
    n_classes: int,
    fold_of: NDArray[np.int64],
    rows: NDArray[np.int64],
    n_folds: int,
    strength: float,
    seed: int,
) -> Iterator[tuple[Labels, NDArray[np.float64]]]:
    """Yield the truth and the decisions (B, K) of the texts held out by each fold."""
    multi_label = truth.ndim == 2
    for fold in range(n_folds):
        fitted, held_out = rows[fold_of[rows] != fold], rows[fold_of[rows] == fold]
        if not len(held_out) or (not multi_label and len(np.unique(truth[fitted])) < 2):
            continue
        models = _fit(matrix[fitted], truth[fitted], strength, seed, tolerance=_CHOOSING_TOLERANCE)
        weights, intercepts = assemble(models, matrix.shape[1], n_classes=n_classes, multi_label=multi_label)
        yield truth[held_out], np.asarray(matrix[held_out] @ weights.astype(np.float64) + intercepts)


def _selection_score(truth: Labels, decisions: NDArray[np.float64]) -> float:
    """Accuracy; for label sets micro-F1, which whole-set accuracy is too coarse to choose by."""
    predicted = answers_of_logits(decisions, multi_label=truth.ndim == 2)
    if truth.ndim == 1:
        return float((truth == predicted).mean())
    hits, support, answered = (int(count.sum()) for count in label_counts(truth, predicted, truth.shape[1]))
    return 2 * hits / max(1, support + answered)


def _fit(
    matrix: "csr_array", truth: Labels, strength: float, seed: int, *, tolerance: float = _TOLERANCE
) -> "tuple[LinearSVC | int, ...]":
    """Fit one model, or one per label; a label that is constant is answered by its constant."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    models: list[LinearSVC | int] = []
    with warnings.catch_warnings():
        # Whether the solver converged is recorded in the settings instead.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for target in truth.T if truth.ndim == 2 else [truth]:
            if truth.ndim == 2 and target.min() == target.max():
                models.append(int(target[0]))
                continue
            model = LinearSVC(C=strength, dual=True, tol=tolerance, max_iter=_MAX_ITERATIONS, random_state=seed)
            models.append(model.fit(matrix, target))
    return tuple(models)


def _stratified_folds(truth: Labels, rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal the texts of every class out to the folds in turn; a class may have fewer texts than there are folds."""
    groups = np.unique(truth, axis=0, return_inverse=True)[1].reshape(-1)
    order = rng.permutation(len(groups))
    order = order[np.argsort(groups[order], kind="stable")]
    fold_of = np.empty(len(groups), np.int64)
    fold_of[order] = np.arange(len(groups)) % _FOLDS
    return fold_of


def _as_labels(labels: ArrayLike) -> Labels:
    values = np.asarray(labels)
    return (values > 0.5).astype(np.int64) if values.ndim == 2 else values.astype(np.int64)


def _result(
    name: str,
    title: str,
    truth: Labels,
    predictions: NDArray[np.int64],
    n_classes: int,
    started: float,
    settings: dict[str, JsonValue],
) -> BaselineResult:
    seconds = time.perf_counter() - started
    correct = (truth == predictions).all(axis=1) if truth.ndim == 2 else truth == predictions
    scores = BaselineScores(
        name=name,
        title=title,
        n=len(truth),
        accuracy=float(correct.mean()),
        accuracy_interval=wilson_interval(int(correct.sum()), len(truth)),
        macro_f1=macro_f1(truth, predictions, n_classes),
        macro_f1_interval=macro_f1_interval(truth, predictions, n_classes),
        seconds=seconds,
        settings=settings,
    )
    return BaselineResult(scores, predictions)
