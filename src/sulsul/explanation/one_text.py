"""Explaining the answer for one text."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.errors import UsageError
from sulsul.explanation.explanation import Explanation, TokenInfluence
from sulsul.explanation.faithfulness import Attributed, deletion_test
from sulsul.explanation.gradients import gradient_times_input, integrated_gradients
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
    _, spans = predictor.bundle.tokenizer.encode_with_spans(text)
    encoded = predictor.encode([text])
    logits = predictor.logits(encoded)
    probabilities = predictor.probabilities_of_logits(logits)[0]
    class_id = int(probabilities.argmax()) if target is None else class_id_of(predictor, target)
    is_word = np.array([start < end for start, end in spans], dtype=np.bool_)
    influences = attribute(method)(predictor, encoded, is_word, class_id)
    attributed = Attributed(encoded.token_ids, influences, is_word, class_id, encoded.types)
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
        remainder=float(influences[~is_word].sum()),
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


Attribution = Callable[[Predictor, EncodedCorpus, npt.NDArray[np.bool_], int], npt.NDArray[np.float64]]


def attribute(method: str) -> Attribution:
    """Return the function that finds the influences (n,) of the tokens of one text.

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


def _gradient(
    predictor: Predictor, encoded: EncodedCorpus, is_word: npt.NDArray[np.bool_], target: int
) -> npt.NDArray[np.float64]:
    return gradient_times_input(predictor.bundle.classifier, encoded, np.array([target]))


def _integrated(
    predictor: Predictor, encoded: EncodedCorpus, is_word: npt.NDArray[np.bool_], target: int
) -> npt.NDArray[np.float64]:
    return integrated_gradients(predictor.bundle.classifier, encoded, np.array([target]))


def _occlusion(
    predictor: Predictor, encoded: EncodedCorpus, is_word: npt.NDArray[np.bool_], target: int
) -> npt.NDArray[np.float64]:
    return occlusion(predictor, encoded, is_word, target)
