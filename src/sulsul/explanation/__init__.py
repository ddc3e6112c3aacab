"""Which parts of a text moved the answer, and how far to trust such a list."""

from sulsul.explanation.explain import METHODS, Method, explain
from sulsul.explanation.explanation import Explanation, TokenInfluence
from sulsul.explanation.faithfulness import Faithfulness
from sulsul.explanation.words import CorpusExplanation, WordInfluence, explain_corpus

__all__ = [
    "METHODS",
    "CorpusExplanation",
    "Explanation",
    "Faithfulness",
    "Method",
    "TokenInfluence",
    "WordInfluence",
    "explain",
    "explain_corpus",
]
