"""The scikit-learn contract: ``fit``, ``predict``, ``predict_proba`` on texts."""

from sulsul.estimator.classifier import RecurrentTextClassifier

__all__ = ["RecurrentTextClassifier"]
