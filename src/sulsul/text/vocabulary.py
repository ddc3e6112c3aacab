"""The tokens a model knows, in the order of their ids."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from sulsul.errors import TokenizerError
from sulsul.text.settings import Reserved

RESERVED_NAMES: dict[Reserved, str] = {"pad": "[PAD]", "start": "[START]", "oov": "[OOV]", "unused": "[UNUSED]"}

MOST_COUNTED = 1 << 20
"""Distinct tokens after which the rarer half is forgotten, so that counting takes 100 to 200 MB at most."""


class Vocabulary:
    """Reserved tokens from id 0 on, then the learned tokens.

    Parameters
    ----------
    reserved
        Which reserved tokens exist; a token's position is its id.
    tokens
        The learned tokens in the order of their ids.

    Raises
    ------
    TokenizerError
        If a token occurs twice or is spelt like a reserved one.
    """

    def __init__(self, reserved: Sequence[Reserved], tokens: Sequence[str]) -> None:
        self.reserved = tuple(reserved)
        self.tokens = tuple(tokens)
        self.index = {token: index for index, token in enumerate(self.tokens, len(self.reserved))}
        if len(self.index) != len(self.tokens):
            raise TokenizerError("The vocabulary holds a token twice; the tokenizer file was altered. Train again.")
        if clash := set(RESERVED_NAMES.values()) & self.index.keys():
            raise TokenizerError(f"The vocabulary holds {sorted(clash)} as words; these names are reserved.")

    def __len__(self) -> int:
        return len(self.reserved) + len(self.tokens)

    def names(self) -> list[str]:
        """Return every token in the order of the ids, reserved ones as ``[PAD]`` and so on."""
        return [*(RESERVED_NAMES[token] for token in self.reserved), *self.tokens]

    def keep_rows(self, rows: npt.NDArray[np.int64]) -> "Vocabulary":
        """Return the vocabulary of some ids, numbered anew in their order.

        Raises
        ------
        TokenizerError
            If the ids do not rise, one does not exist, or a reserved one is missing.

        Examples
        --------
        >>> Vocabulary(("pad",), ["a", "b", "c"]).keep_rows(np.array([0, 1, 3])).names()
        ['[PAD]', 'a', 'c']
        """
        n_reserved = len(self.reserved)
        rising = bool(np.all(np.diff(rows) > 0))
        if not rising or rows[:n_reserved].tolist() != list(range(n_reserved)) or int(rows[-1]) >= len(self):
            raise TokenizerError(
                f"The rows to keep must rise, hold the {n_reserved} reserved ones and be below {len(self)}."
            )
        return Vocabulary(self.reserved, [self.tokens[row - n_reserved] for row in rows[n_reserved:].tolist()])

    def reserved_id(self, token: Reserved) -> int | None:
        """Return the id of a reserved token, or None where it does not exist."""
        return self.reserved.index(token) if token in self.reserved else None


def count_tokens(texts: Iterable[Iterable[Iterable[str]]]) -> Counter[str]:
    """Count the tokens of texts, given in chunks; keys are in the order of first occurrence.

    Beyond :data:`MOST_COUNTED` distinct tokens the rarer half is forgotten, and counted from nothing when it is met
    again (Manku and Motwani 2002, "Approximate frequency counts over data streams", forget at fixed intervals instead):
    the counts of rare tokens may be too low.
    """
    counts: Counter[str] = Counter()
    for chunk in texts:
        for tokens in chunk:
            counts.update(tokens)
        if len(counts) > MOST_COUNTED:
            counts = _more_frequent_half(counts)
    return counts


def _more_frequent_half(counts: Counter[str]) -> Counter[str]:
    tokens, frequencies = list(counts), np.fromiter(counts.values(), np.int64, len(counts))
    kept = np.sort(np.argsort(-frequencies, kind="stable")[: MOST_COUNTED // 2])
    # Not by update, which would count an iterable of pairs.
    return Counter(dict(zip([tokens[index] for index in kept], frequencies[kept].tolist(), strict=True)))


def most_frequent(counts: Counter[str], *, limit: int, min_frequency: int) -> list[str]:
    """Return the most frequent tokens, falling, ties in the order of first occurrence.

    This is the order of ``keras.preprocessing.text.Tokenizer``, which sorts its counts by a stable sort.

    Parameters
    ----------
    counts
        Token -> occurrences, keys in the order of first occurrence.
    limit
        The most tokens to return.
    min_frequency
        Tokens with fewer occurrences are left out.

    Examples
    --------
    >>> most_frequent(Counter(["b", "a", "c", "c"]), limit=2, min_frequency=1)
    ['c', 'b']
    """
    for name in RESERVED_NAMES.values():
        counts.pop(name, None)
    frequencies = np.fromiter(counts.values(), np.int64, len(counts))
    order = np.argsort(-frequencies, kind="stable")[:limit]
    tokens = list(counts)
    kept = [tokens[index] for index in order if frequencies[index] >= min_frequency]
    # Copies, so that the few kept strings do not hold the memory between the many dropped ones: 13 MB of 22 MB after
    # 300,000 different words of 150,000 short reviews.
    return [token.encode().decode() for token in kept]
