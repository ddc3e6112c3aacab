"""A finished run as the checks look at it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sulsul.bundle import Bundle
from sulsul.evaluation import Evaluation
from sulsul.preparation import PreparedData
from sulsul.report.record import RunRecord, Split
from sulsul.specification import RunSpecification


@dataclass(frozen=True, eq=False)
class RunEvidence:
    """A run's record and, where they are at hand, its probabilities, its bundle and its data.

    Attributes
    ----------
    probabilities
        float64 (B, C) by split, in the order of the split's texts.
    prepared
        The data it was trained on, encoded by the bundle's tokenizer.
    provenance
        What the bundle says of its data: fingerprint and the digests of the rows of each split.
    """

    record: RunRecord
    specification: RunSpecification
    probabilities: Mapping[Split, npt.NDArray[np.float64]] = field(default_factory=dict)
    prepared: PreparedData | None = None
    bundle: Bundle | None = None

    @property
    def headline(self) -> Evaluation | None:
        """The evaluation that counts."""
        return self.record.headline

    def truth(self, split: Split) -> npt.NDArray[np.int64] | None:
        """Return the class ids (B,) of a split; None without data and for label sets."""
        if self.prepared is None or split not in self.prepared.splits:
            return None
        ids = self.prepared.splits[split].encoded.class_ids
        return None if ids is None or ids.ndim == 2 else ids.astype(np.int64)
