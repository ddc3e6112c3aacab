"""Vectors of n-grams, learned from texts without labels: what lets a linear model weigh n-grams it has no label for.

A text's TF-IDF values times these vectors are features of their own. A weight for each of them is a weight for every
n-gram, so a model fitted on both is a linear model on n-grams like any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sulsul.errors import BundleError
from sulsul.evaluation.ngrams import BITS, KnownNgrams, TfidfFeatures, Unit
from sulsul.evaluation.stored_ngrams import Kind, stored_problem

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class NgramVectorsDescription(BaseModel):
    """Everything of n-gram vectors that is not an array."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Unit
    longest: int = Field(ge=1, le=16)
    size: int = Field(ge=1)


@dataclass(frozen=True, eq=False)
class NgramVectors:
    """N-grams of texts without labels.

    Attributes
    ----------
    unit, longest
        What an n-gram is made of, and the largest n.
    ngrams
        Their buckets and how many texts held them.
    vectors
        float16 (F, D), of length 1.
    """

    unit: Unit
    longest: int
    ngrams: KnownNgrams
    vectors: NDArray[np.float16]

    def description(self) -> NgramVectorsDescription:
        """Return what is kept as JSON; :meth:`arrays` is the rest."""
        return NgramVectorsDescription(unit=self.unit, longest=self.longest, size=self.vectors.shape[1])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is kept as arrays."""
        return {"buckets": self.ngrams.buckets, "shares": self.ngrams.shares, "vectors": self.vectors}

    @classmethod
    def from_arrays(cls, description: NgramVectorsDescription, arrays: Mapping[str, NDArray[Any]]) -> "NgramVectors":
        """Put together what :meth:`description` and :meth:`arrays` returned.

        Raises
        ------
        BundleError
            If an array is missing or does not fit the others.
        """
        by_ngram: dict[str, Kind] = {"shares": ((), np.float32), "vectors": ((description.size,), np.float16)}
        if (problem := stored_problem(arrays, by_ngram, n_buckets=1 << BITS)) is not None:
            raise BundleError(f"the file of n-gram vectors {problem}.")
        known = KnownNgrams(arrays["buckets"], arrays["shares"])
        return cls(description.unit, description.longest, known, arrays["vectors"])

    def basis(self, features: TfidfFeatures) -> "VectorBasis":
        """Return the vectors of the columns of some features, which must hold all n-grams that have one."""
        return VectorBasis(features.column[self.ngrams.buckets], self.vectors.astype(np.float32), features.n_features)


class VectorBasis:
    """Which columns of a matrix have a vector, and which.

    Parameters
    ----------
    columns : int32 (F,)
        Of the n-grams that have one.
    vectors : float32 (F, D)
        Theirs.
    n_columns
        Of the matrix.
    """

    def __init__(self, columns: NDArray[np.int32], vectors: NDArray[np.float32], n_columns: int) -> None:
        self._columns, self._vectors = columns, vectors
        self._row_of = np.full(n_columns, -1, np.int32)
        self._row_of[columns] = np.arange(len(columns), dtype=np.int32)

    def project(self, matrix: "csr_array") -> NDArray[np.float32]:
        """Return the product of a matrix (B, n_columns) and the vectors, (B, D)."""
        from scipy.sparse import csr_array

        rows = self._row_of[matrix.indices]
        kept = rows >= 0
        ends = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
        values = matrix.data[kept].astype(np.float32)
        known = csr_array((values, rows[kept], ends), shape=(matrix.shape[0], len(self._columns)))
        return np.asarray(known @ self._vectors)

    def add_weights(self, weights: NDArray[np.float32], by_dimension: NDArray[np.floating]) -> None:
        """Add to weights (n_columns,) what weights (D,) of the products amount to."""
        weights[self._columns] += self._vectors @ by_dimension.astype(np.float32)
