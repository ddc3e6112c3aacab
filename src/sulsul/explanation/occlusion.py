"""Influence by leaving each token out."""

import numpy as np
import numpy.typing as npt

from sulsul.explanation.deletion import ReadText, log_odds_without
from sulsul.predictor import Predictor

_TEXTS_AT_ONCE = 256


def occlusion(predictor: Predictor, read: ReadText, target: int) -> npt.NDArray[np.float64]:
    """Return what the log-odds of the target lose with each token of one text, shape (n,).

    Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2, with the token taken out
    of the sequence in place of a grey square. START and PAD stay, and get 0. The whole answer is asked: a linear part
    reads the text without the token's characters.

    Parameters
    ----------
    predictor
        The trained classifier.
    read
        One text of n tokens.
    target
        Class id.
    """
    n_tokens = len(read.encoded.token_ids)
    influences = np.zeros(n_tokens)
    everything = np.ones(n_tokens, dtype=np.bool_)
    (whole,) = log_odds_without(predictor, read, [everything], target)
    words = np.flatnonzero(read.is_word)
    for start in range(0, len(words), _TEXTS_AT_ONCE):
        chosen = words[start : start + _TEXTS_AT_ONCE]
        masks = [everything & (np.arange(n_tokens) != word) for word in chosen]
        influences[chosen] = whole - log_odds_without(predictor, read, masks, target)
    return influences
