"""Texts in, probabilities out, with the very pipeline the classifier was trained with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.bundle import Bundle
from sulsul.ensemble import Texts
from sulsul.evaluation.abstention import Abstention, confidence


@dataclass(frozen=True)
class Prediction:
    """The answer for one text.

    Attributes
    ----------
    labels
        The most probable class; for a multi-label task every label above 0.5, possibly none.
    probability
        Of the most probable class.
    probabilities
        Of every class, in the order of :attr:`Predictor.classes`.
    abstained
        Whether the answer is less sure than the stored threshold asks, so that it had better not be given; None where
        no threshold is stored.
    """

    labels: tuple[str, ...]
    probability: float
    probabilities: tuple[float, ...]
    abstained: bool | None = None


class Predictor:
    """A trained classifier ready for use.

    Parameters
    ----------
    bundle
        What :meth:`sulsul.bundle.Bundle.load` read.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    @classmethod
    def load(cls, folder: Path | str, *, backend: str | None = None) -> "Predictor":
        """Read a run's folder.

        Raises
        ------
        BundleError
            If the folder is not a complete, unaltered bundle.
        """
        return cls(Bundle.load(Path(folder), backend=backend))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the C classes."""
        return self.bundle.labels.classes

    @property
    def multi_label(self) -> bool:
        """Whether a text may have several labels."""
        return self.bundle.labels.multi_label

    def encode(self, texts: Iterable[str]) -> EncodedCorpus:
        """Return the texts as token ids."""
        encoded = self.bundle.tokenizer.encode_with_lengths(texts)
        return EncodedCorpus(encoded.token_ids, encoded.offsets, types=encoded.types)

    def logits(self, encoded: EncodedCorpus, texts: Texts | None = None) -> npt.NDArray[np.floating]:
        """Return the logits (B, L) of encoded texts.

        Parameters
        ----------
        encoded
            From :meth:`encode`.
        texts
            The same texts; a classifier with a linear part needs them.

        Raises
        ------
        ValueError
            If they are needed and absent.
        """
        return self.bundle.ensemble.logits(encoded, texts)

    def probabilities_of_logits(self, logits: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Return the class probabilities (B, C) of logits (B, L)."""
        return self.bundle.ensemble.probabilities(logits)

    def probabilities(self, texts: Iterable[str]) -> npt.NDArray[np.floating]:
        """Return the class probabilities of texts, shape (B, C); an empty text is legal.

        Raises
        ------
        TokenizerError
            If a text is not a string.
        """
        given = list(texts)
        return self.probabilities_of_logits(self.logits(self.encode(given), given))

    def predict(self, texts: Iterable[str]) -> list[Prediction]:
        """Return one prediction per text; raises as :meth:`probabilities` does."""
        return self.predictions_of_probabilities(self.probabilities(texts))

    def predictions_of_probabilities(self, probabilities: npt.NDArray[np.floating]) -> list[Prediction]:
        """Return one prediction per row of class probabilities (B, C)."""
        abstained = self._abstained(probabilities)
        return [self._prediction(*answer) for answer in zip(probabilities.tolist(), abstained, strict=True)]

    @property
    def abstention(self) -> Abstention | None:
        """The stored threshold, and what it was found by; None where none is stored."""
        return self.bundle.ensemble.abstention

    def _abstained(self, probabilities: npt.NDArray[np.floating]) -> Sequence[bool | None]:
        if self.abstention is None:
            return [None] * len(probabilities)
        unsure = confidence(probabilities, multi_label=self.multi_label) < self.abstention.threshold
        answers: list[bool | None] = unsure.tolist()
        return answers

    def _prediction(self, probabilities: Sequence[float], abstained: bool | None) -> Prediction:
        best = max(range(len(probabilities)), key=probabilities.__getitem__)
        chosen = [c for c, p in enumerate(probabilities) if p > 0.5] if self.multi_label else [best]
        return Prediction(
            tuple(self.classes[c] for c in chosen), probabilities[best], tuple(probabilities), abstained=abstained
        )
