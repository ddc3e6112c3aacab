"""The influence of a linear part: that of its n-grams on the characters they cover, and so on tokens."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sulsul.ensemble import Ensemble, fit_to_output
from sulsul.evaluation.ngram_places import linear_contributions

FloatArray = npt.NDArray[np.float64]
Spans = Sequence[tuple[int, int]]


class LinearPart:
    """What the linear part of an answer adds for one text, by character and logit.

    Parameters
    ----------
    ensemble
        What answers; it must have a linear part.
    text
        The text as given.
    """

    def __init__(self, ensemble: Ensemble, text: str) -> None:
        assert ensemble.linear is not None
        found, output = linear_contributions(ensemble.linear, text), ensemble.output_kind
        factor = ensemble.blend.linear_weight / ensemble.blend.temperature
        self._characters = factor * fit_to_output(found.characters, output)
        self._elsewhere = factor * fit_to_output(found.elsewhere[None], output)[0]

    def influences(self, by_logit: FloatArray, spans: Spans) -> tuple[FloatArray, float]:
        """Return the influence of each token (n,), and that of what no token was made from.

        Parameters
        ----------
        by_logit : shape (L,)
            Gradient of the explained score by the logits of the whole answer.
        spans
            The characters each token was made from. What several tokens share is divided equally.
        """
        characters, elsewhere = self._characters @ by_logit, float(self._elsewhere @ by_logit)
        cover = np.zeros(len(characters))
        for start, end in spans:
            cover[start:end] += 1
        shares = characters / np.maximum(cover, 1)
        tokens = np.array([shares[start:end].sum() for start, end in spans], dtype=np.float64)
        return tokens, elsewhere + float(characters[cover == 0].sum())
