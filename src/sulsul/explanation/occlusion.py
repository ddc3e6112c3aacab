"""Influence by leaving each token out."""

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.explanation.deletion import without
from sulsul.explanation.scores import log_odds_of_arrays
from sulsul.predictor import Predictor

_TEXTS_AT_ONCE = 256


def occlusion(
    predictor: Predictor, encoded: EncodedCorpus, is_word: npt.NDArray[np.bool_], target: int
) -> npt.NDArray[np.float64]:
    """Return what the log-odds of the target lose with each token of one text, shape (n,).

    Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2, with the token taken out
    of the sequence in place of a grey square. START and PAD stay, and get 0.

    Parameters
    ----------
    predictor
        The trained classifier.
    encoded
        One text of n tokens.
    is_word : bool (n,)
        Which tokens come from the text itself.
    target
        Class id.
    """
    token_ids, types = encoded.token_ids, encoded.types
    settings, output = predictor.bundle.specification.text, predictor.bundle.classifier.output_kind
    influences = np.zeros(len(token_ids))
    everything = np.ones(len(token_ids), dtype=np.bool_)

    def scores(masks: list[npt.NDArray[np.bool_]]) -> npt.NDArray[np.float64]:
        logits = predictor.logits(without(token_ids, masks, settings, types))
        return log_odds_of_arrays(logits, np.full(len(masks), target), output)

    (whole,) = scores([everything])
    words = np.flatnonzero(is_word)
    for start in range(0, len(words), _TEXTS_AT_ONCE):
        chosen = words[start : start + _TEXTS_AT_ONCE]
        influences[chosen] = whole - scores([everything & (np.arange(len(token_ids)) != word) for word in chosen])
    return influences
