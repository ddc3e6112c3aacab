"""Explaining the answer for one text."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.ensemble import Ensemble
from sulsul.errors import UsageError
from sulsul.explanation.deletion import ReadText, read_text
from sulsul.explanation.explanation import Explanation, TokenInfluence
from sulsul.explanation.faithfulness import Attributed, deletion_test
from sulsul.explanation.gradients import Gradients, LinearLogits, gradient_times_input, integrated_gradients
from sulsul.explanation.linear_part import LinearPart
from sulsul.explanation.occlusion import occlusion
from sulsul.explanation.scores import log_odds_of_arrays
from sulsul.predictor import Predictor
from sulsul.text.normalisation import normalise
from sulsul.text.vocabulary import RESERVED_NAMES

Method = Literal["gradient", "integrated-gradients", "occlusion"]
METHODS: tuple[Method, ...] = get_args(Method)


def explain(
    predictor: Predictor,
    text: str,
    target: str | None = None,
    method: Method = "integrated-gradients",
    *,
    faithfulness: bool = True,
    seed: int = 0,
) -> Explanation:
    """Return how each token of a text moved the log-odds of a class.

    Parameters
    ----------
    predictor
        The trained classifier.
    text
        The text to classify; Korean and any other script, in any Unicode form.
    target
        A class; None: the most probable one.
    method
        ``gradient`` (times input: one backward pass), ``integrated-gradients`` (32 passes; influences add up to the
        log-odds less those of all-zero inputs) or ``occlusion`` (leaves out one token at a time).
    faithfulness
        Whether to run the deletion test too: 85 further predictions.
    seed
        Of the deletion test.

    Raises
    ------
    UsageError
        If the class or the method does not exist, or a ``raw-ids`` network is explained by gradients.
    TokenizerError
        If the text is not a string.

    Examples
    --------
    >>> from sulsul.estimator import RecurrentTextClassifier
    >>> texts, labels = ["so good", "so bad", "very good", "very bad"] * 5, ["pos", "neg"] * 10
    >>> small = {"training.threads": 1, "text.tokenizer": "word"}
    >>> classifier = RecurrentTextClassifier(units=4, epochs=30, settings=small).fit(texts, labels)
    >>> explanation = explain(classifier.predictor_, "so good")
    >>> explanation.target, max(explanation.tokens, key=lambda token: token.influence).token
    ('pos', 'good')
    """
    read = read_text(predictor, text)
    encoded, spans = read.encoded, read.spans
    logits = predictor.logits(encoded, [text])
    probabilities = predictor.probabilities_of_logits(logits)[0]
    class_id = int(probabilities.argmax()) if target is None else class_id_of(predictor, target)
    influences, outside = attribute(method)(predictor, read, class_id)
    attributed = Attributed(read, influences, class_id)
    names = _names(predictor, text, encoded, spans)
    return Explanation(
        text=text,
        target=predictor.classes[class_id],
        probability=float(probabilities[class_id]),
        log_odds=float(log_odds_of_arrays(logits, np.array([class_id]), predictor.bundle.classifier.output_kind)[0]),
        method=method,
        tokens=tuple(
            TokenInfluence(name, start, end, float(influence))
            for name, (start, end), influence in zip(names, spans, influences, strict=True)
            if start < end
        ),
        remainder=float(influences[~read.is_word].sum()) + outside,
        faithfulness=deletion_test(predictor, [attributed], seed=seed) if faithfulness else None,
    )


def _names(predictor: Predictor, text: str, encoded: EncodedCorpus, spans: Sequence[tuple[int, int]]) -> list[str]:
    """Return the token at each position; a word that is a sum has no row of its own name, so it names itself."""
    tokenizer = predictor.bundle.tokenizer
    if encoded.types is None:
        names = tokenizer.vocabulary()
        return [names[token_id] for token_id in encoded.token_ids]
    reserved = [RESERVED_NAMES[token] for token in tokenizer.settings.reserved]
    return [
        reserved[token_id]
        if token_id < len(reserved)
        else normalise(text[start:end], lowercase=tokenizer.settings.lowercase)
        for token_id, (start, end) in zip(encoded.token_ids.tolist(), spans, strict=True)
    ]


Attribution = Callable[[Predictor, ReadText, int], tuple[npt.NDArray[np.float64], float]]


def attribute(method: str) -> Attribution:
    """Return the function that finds the influences (n,) of the tokens of one text, and of what is in no token.

    Raises
    ------
    UsageError
        If there is no such method.
    """
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r}; choose {', '.join(METHODS)}.")
    return {"gradient": _gradient, "integrated-gradients": _integrated, "occlusion": _occlusion}[method]


def class_id_of(predictor: Predictor, target: str) -> int:
    """Return the id of a class by name.

    Raises
    ------
    UsageError
        If there is no such class; the message lists those there are.
    """
    if target not in predictor.classes:
        raise UsageError(f"there is no class {target!r}; the classes are {', '.join(predictor.classes)}.")
    return predictor.classes.index(target)


def _gradient(predictor: Predictor, read: ReadText, target: int) -> tuple[npt.NDArray[np.float64], float]:
    ensemble = predictor.bundle.ensemble
    linear = LinearLogits.of(ensemble, [read.text])
    return _with_linear_part(ensemble, read, gradient_times_input(ensemble, read.encoded, np.array([target]), linear))


def _integrated(predictor: Predictor, read: ReadText, target: int) -> tuple[npt.NDArray[np.float64], float]:
    ensemble = predictor.bundle.ensemble
    linear = LinearLogits.of(ensemble, [read.text])
    return _with_linear_part(ensemble, read, integrated_gradients(ensemble, read.encoded, np.array([target]), linear))


def _with_linear_part(ensemble: Ensemble, read: ReadText, found: Gradients) -> tuple[npt.NDArray[np.float64], float]:
    if ensemble.linear is None:
        return found.tokens, 0.0
    tokens, outside = LinearPart(ensemble, read.text).influences(found.by_logit[0], read.spans)
    return found.tokens + tokens, outside


def _occlusion(predictor: Predictor, read: ReadText, target: int) -> tuple[npt.NDArray[np.float64], float]:
    return occlusion(predictor, read, target), 0.0
