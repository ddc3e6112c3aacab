"""How much of the texts the model does not get to see: unknown tokens and truncated texts."""

from sulsul.text.arrangement import Counts
from sulsul.text.tokenizer import Encoded


def unknown_share(encoded: Encoded) -> float:
    """Return the share of tokens outside the vocabulary, before truncation; 0 where there is no token.

    START and PAD do not count as tokens, and unknown tokens that are dropped do.

    Examples
    --------
    >>> from sulsul.text import TextSettings, Tokenizer
    >>> tokenizer = Tokenizer.fit(["so good"], TextSettings(reserved=("pad",), max_length=2))
    >>> unknown_share(tokenizer.encode_with_lengths(["so so so bad", ""]))
    0.25
    """
    return float(encoded.unknown_counts.sum() / max(int(encoded.token_counts.sum()), 1))


def truncated_share(full_lengths: Counts, max_length: int | None) -> float:
    """Return the share of texts longer than ``max_length``; 0 where there are no texts or no limit."""
    if max_length is None or not len(full_lengths):
        return 0.0
    return float((full_lengths > max_length).mean())
