"""Which parts of a text moved the answer, and how far to trust such a list."""

from sulsul.explanation.explanation import Explanation, TokenInfluence
from sulsul.explanation.faithfulness import Faithfulness
from sulsul.explanation.many_texts import CorpusExplanation, WordInfluence, explain_corpus
from sulsul.explanation.one_text import METHODS, Method, explain

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
