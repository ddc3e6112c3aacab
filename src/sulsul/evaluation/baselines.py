"""What a classifier must beat: always the same answer, and linear models on TF-IDF.

The linear model is a support vector machine (squared hinge loss; Fan et al. 2008, LIBLINEAR). On character n-grams it
was 0.4 to 3.3 points above logistic regression with C = 10 on Seoul 120 and on headlines, and equal on NSMC and IMDB.
Its C is chosen inside the training split, never on the texts that are evaluated.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, JsonValue

from sulsul.errors import LabelError
from sulsul.evaluation.blending import fit_scale
from sulsul.evaluation.intervals import Interval, macro_f1_interval, wilson_interval
from sulsul.evaluation.linear_classifier import LinearClassifier
from sulsul.evaluation.linear_fitting import Labels, LinearFit, as_labels
from sulsul.evaluation.metrics import FloatArray, macro_f1
from sulsul.evaluation.ngram_vectors import NgramVectors
from sulsul.evaluation.ngrams import Unit, fit_tfidf

Texts = Sequence[str] | pl.Series

LONGEST: dict[Unit, int] = {"word": 2, "char": 4, "jamo": 5}
"""The longest n-grams of a baseline."""
PART_LONGEST: dict[Unit, int] = {"word": 3, "char": 4, "jamo": 5}
"""The longest n-grams of the linear part of an answer."""
MAJORITY_TITLE = "Majority class"
_NOUNS: dict[Unit, str] = {"word": "words", "char": "characters", "jamo": "Hangul letters"}


def linear_title(unit: Unit, longest: int) -> str:
    """Return what a linear model reads, in words."""
    return f"TF-IDF {_NOUNS[unit]} 1–{longest}, linear"


TITLES: dict[Unit, str] = {unit: linear_title(unit, longest) for unit, longest in LONGEST.items()}


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
    train, truth = as_labels(train_labels), as_labels(eval_labels)
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
        ``word``: 1-2-grams; ``char``: 1-4-grams; ``jamo``: 1-5-grams.
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
    return _timed(texts, labels, unit, LONGEST[unit], n_classes=n_classes, seed=seed, strength=strength)


def fit_linear_part(
    texts: Texts,
    labels: ArrayLike,
    unit: Unit,
    *,
    n_classes: int,
    first_line: bool,
    weights: FloatArray | None = None,
    vectors: NgramVectors | None = None,
    seed: int = 0,
) -> LinearBaseline:
    """Fit the linear model that answers beside networks: a baseline that knows more of the texts and the labels.

    Columns are scaled by their log-count ratios (:func:`sulsul.evaluation.linear_fitting.log_count_ratios`), and where
    ``first_line`` says so the n-grams of first lines are features of their own. ``weights`` say how much each text
    counts, (B,), or for each label of a set, (B, C). With ``vectors`` the n-grams are theirs, in place of those of
    ``unit``, and what the vectors say of a text are features too (:mod:`sulsul.evaluation.ngram_vectors`).

    See :func:`linear_baselines` for the other parameters and the errors.
    """
    return _timed(
        texts,
        labels,
        unit if vectors is None else vectors.unit,
        PART_LONGEST[unit] if vectors is None else vectors.longest,
        n_classes=n_classes,
        seed=seed,
        first_line=first_line,
        by_ratio=True,
        weights=weights,
        vectors=vectors,
    )


def _timed(
    texts: Texts,
    labels: ArrayLike,
    unit: Unit,
    longest: int,
    *,
    n_classes: int | None,
    seed: int,
    first_line: bool = False,
    by_ratio: bool = False,
    weights: FloatArray | None = None,
    vectors: NgramVectors | None = None,
    strength: float | None = None,
) -> LinearBaseline:
    started = time.perf_counter()
    truth = as_labels(labels)
    if truth.ndim == 1 and len(np.unique(truth)) < 2:
        raise LabelError("The training split holds fewer than two classes: nothing can be learned from it.")
    n_classes = n_classes or (truth.shape[1] if truth.ndim == 2 else int(truth.max()) + 1)
    known = None if vectors is None else vectors.ngrams
    features, matrix = fit_tfidf(texts, unit, longest, first_line=first_line, known=known)
    fit = LinearFit(
        matrix,
        truth,
        n_classes=n_classes,
        seed=seed,
        by_ratio=by_ratio,
        weights=weights,
        basis=None if vectors is None else vectors.basis(features),
    )
    choice = fit.choose_strength() if strength is None else fit.choose_strength((strength,))
    fitted = fit.at(choice.strength)
    settings = choice.settings | {
        "C": choice.strength,
        "ngrams": f"1-{longest}",
        "features": features.n_features,
        "converged": fitted.converged,
    }
    if vectors is not None:
        settings["vectors"] = vectors.vectors.shape[1]
    scale = fit_scale(choice.decisions, choice.truth)
    classifier = LinearClassifier(features, fitted.weights, fitted.intercepts, truth.ndim == 2, scale, settings)
    return LinearBaseline(classifier, choice.score, time.perf_counter() - started)


def judge_linear_baseline(model: LinearBaseline, texts: Texts, labels: ArrayLike, *, n_classes: int) -> BaselineResult:
    """Judge a fitted model on other texts; see :func:`linear_baselines`."""
    started = time.perf_counter() - model.seconds
    truth = as_labels(labels)
    predictions = model.predict(texts)
    name = f"tfidf-{model.unit}"
    return _result(name, TITLES[model.unit], truth, predictions, n_classes, started, model.settings)


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
