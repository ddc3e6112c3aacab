"""A fitted linear model on TF-IDF n-grams as plain arrays: what a baseline answers by and a bundle keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from sulsul.errors import BundleError
from sulsul.evaluation.logits import answers_of_logits
from sulsul.evaluation.metrics import FloatArray
from sulsul.evaluation.ngrams import BITS, TfidfFeatures, Unit, transform_tfidf
from sulsul.evaluation.stored_ngrams import Kind, stored_problem

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class LinearDescription(BaseModel):
    """Everything of a linear model that is not an array."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    unit: Unit
    longest: int = Field(ge=1, le=16)
    bits: int = Field(default=22, ge=1, le=BITS, description="Of the hash; bundles that do not say had 22")
    first_line: bool = False
    scale: float = Field(gt=0.0)
    multi_label: bool
    settings: dict[str, JsonValue] = {}


@dataclass(frozen=True, eq=False)
class LinearClassifier:
    """One weight per n-gram and class.

    Attributes
    ----------
    features
        What is counted.
    weights, intercepts
        float32 (F, K) and (K,); K is 1 for two exclusive classes and C otherwise.
    scale
        Decision × scale = logit. A support vector machine has no probabilities; the scale is fitted on held-out
        training texts, one number for all classes, so that no answer changes (Platt 1999, without his offset).
    settings
        How it was fitted: the chosen C and the like.
    """

    features: TfidfFeatures
    weights: NDArray[np.float32]
    intercepts: NDArray[np.float32]
    multi_label: bool
    scale: float
    settings: Mapping[str, JsonValue]

    def decisions(self, matrix: "csr_array") -> FloatArray:
        """Return the distance of each row of TF-IDF values from the border of each class, shape (B, K)."""
        return np.asarray(matrix @ self._wide_weights + self.intercepts.astype(np.float64))

    @cached_property
    def _wide_weights(self) -> FloatArray:
        """The weights as the product takes them, so that no call copies them."""
        return self.weights.astype(np.float64)

    def logits(self, texts: Sequence[str] | pl.Series) -> FloatArray:
        """Return calibrated logits of texts in NFC, shape (B, K)."""
        return self.scale * self.decisions(transform_tfidf(texts, self.features))

    def predict(self, texts: Sequence[str] | pl.Series) -> NDArray[np.int64]:
        """Return class ids of shape (B,), or multi-hot of shape (B, C)."""
        return answers_of_logits(self.logits(texts), multi_label=self.multi_label)

    def description(self) -> LinearDescription:
        """Return what a bundle keeps as JSON; :meth:`arrays` is the rest."""
        return LinearDescription(
            unit=self.features.unit,
            longest=self.features.longest,
            bits=self.features.bits,
            first_line=self.features.first_line,
            scale=self.scale,
            multi_label=self.multi_label,
            settings=dict(self.settings),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a bundle keeps as arrays: the bucket of each column, its idf, weights and intercepts."""
        return {
            "buckets": np.flatnonzero(self.features.column >= 0).astype(np.int32),
            "idf": self.features.idf,
            "weights": self.weights,
            "intercepts": self.intercepts,
        }

    @classmethod
    def from_arrays(
        cls, description: LinearDescription, arrays: Mapping[str, NDArray[Any]], *, n_columns: int
    ) -> "LinearClassifier":
        """Rebuild a model that gives the same logits to the bit.

        Raises
        ------
        BundleError
            If an array is missing, or does not fit the others or ``n_columns``, the number K of logits.
        """
        n_buckets = 1 << description.bits
        by_ngram: dict[str, Kind] = {"idf": ((), np.float64), "weights": ((n_columns,), np.float32)}
        others: dict[str, Kind] = {"intercepts": ((n_columns,), np.float32)}
        if (problem := stored_problem(arrays, by_ngram, others, n_buckets=n_buckets)) is not None:
            raise BundleError(f"the linear part {problem}.")
        column = np.full(n_buckets, -1, np.int32)
        column[arrays["buckets"]] = np.arange(len(arrays["buckets"]), dtype=np.int32)
        kind = description.unit, description.longest
        features = TfidfFeatures(*kind, column, arrays["idf"], description.first_line)
        weights, intercepts = arrays["weights"], arrays["intercepts"]
        return cls(features, weights, intercepts, description.multi_label, description.scale, description.settings)
