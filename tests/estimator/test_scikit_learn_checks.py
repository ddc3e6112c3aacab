"""scikit-learn's own estimator checks. They hand over numbers, so an adapter writes each row as a text first."""

from typing import Any, Self

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from sulsul import RecurrentTextClassifier


class NumbersAsTexts(RecurrentTextClassifier):
    """The estimator itself, given every row of numbers as one word per feature."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        return super().fit(_texts(validate_data(self, X)), y, sample_weight)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        first = not hasattr(self, "n_features_in_")
        return super().partial_fit(_texts(validate_data(self, X, reset=first)), y, classes, sample_weight)

    def predict_proba(self, X: Any) -> Any:
        check_is_fitted(self)
        return super().predict_proba(_texts(validate_data(self, X, reset=False)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.one_d_array = False
        tags.input_tags.string = False
        return tags


def _texts(X: Any) -> list[str]:
    return [" ".join(f"f{k}{'m' if v < 0 else 'p'}{abs(round(float(v)))}" for k, v in enumerate(row)) for row in X]


EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": "a text of weight 0 still has its words in the vocabulary and its "
    "place in a batch, so leaving it out trains on other batches",
}


def _expected(estimator: BaseEstimator) -> dict[str, str]:
    return EXPECTED_FAILURES


@parametrize_with_checks(
    [
        NumbersAsTexts(
            cell="gru",
            units=8,
            bidirectional=False,
            tokenizer="word",
            epochs=5,
            batch_size=16,
            learning_rate=0.05,
            validation_fraction=0.0,
            settings={
                "ensemble.members": 1,
                "wide.kind": "none",
                "training.threads": 1,
                "model.input.size": 8,
                "model.layers.1.rate": 0.0,
            },
        )
    ],
    expected_failed_checks=_expected,
)
@pytest.mark.filterwarnings("ignore:Can't check dok sparse matrix")
def test_scikit_learn_check(estimator: BaseEstimator, check: Any) -> None:
    check(estimator)


def test_texts_of_rows() -> None:
    assert _texts(np.array([[0.2, -3.0]])) == ["f0p0 f1m3"]
