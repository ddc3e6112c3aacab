"""Ready-made word vectors in word2vec's text format, as fastText's ``.vec`` files have it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sulsul.errors import DataError
from sulsul.text.normalisation import normalise

_KERAS_RANGE = 0.05  # keras.initializers.RandomUniform's default, which its Embedding layer uses


class WordVectors(NamedTuple):
    """One vector per id of a vocabulary."""

    matrix: npt.NDArray[np.float32]
    """float32 (V, E)."""
    found: npt.NDArray[np.bool_]
    """bool (V,): whether the vector was read; others are random."""

    @property
    def n_found(self) -> int:
        """Number of ids whose vector was read."""
        return int(self.found.sum())


def read_vectors(
    lines: Iterable[str], vocabulary: Sequence[str], *, source: str = "the vector file", seed: int = 0
) -> WordVectors:
    """Pick the vectors of a vocabulary from the lines of a ``.vec`` file.

    Parameters
    ----------
    lines
        ``word number number ...`` each; the first may be a header ``n_words size``. Read once, as a stream. Words are
        brought to NFC; of two lines for a word the first counts.
    vocabulary
        The token of every id.
    source
        The file to name in errors.
    seed
        Draws the vectors of tokens that have none, uniform in ±0.05 as Keras begins an embedding.

    Raises
    ------
    DataError
        If a vector of the vocabulary has another size than the first one (or the header), is empty, or is not made of
        finite numbers; the line is named. Or if no token of the vocabulary has a vector.

    Examples
    --------
    >>> vectors = read_vectors(["2 2", "good 1 0.5", "bad -1 0"], ["[PAD]", "bad", "good"])
    >>> vectors.matrix[1:].tolist(), vectors.n_found
    ([[-1.0, 0.0], [1.0, 0.5]], 2)
    """
    index = {token: position for position, token in enumerate(vocabulary)}
    read: dict[int, npt.NDArray[np.float32]] = {}
    size: int | None = None
    for number, line in enumerate(lines, 1):
        word, _, numbers = line.strip("\r\n ").partition(" ")
        if number == 1 and word.isdigit() and numbers.strip().isdigit():
            size = int(numbers)
            continue
        if size is None and numbers:
            size = len(numbers.split())
        position = index.get(normalise(word))
        if position is not None and position not in read:
            read[position] = _parse(numbers, size, f"{source}, line {number} ({word!r})")
    if not read or size is None:
        raise DataError(
            f"{source} holds no vector for any of the {len(index)} tokens of the vocabulary. "
            "Check that it is a .vec text file of the same language, and that tokens are whole words."
        )
    matrix = np.random.default_rng(seed).uniform(-_KERAS_RANGE, _KERAS_RANGE, (len(vocabulary), size))
    found = np.zeros(len(vocabulary), np.bool_)
    positions = list(read)
    matrix[positions] = np.stack(list(read.values()))
    found[positions] = True
    return WordVectors(matrix.astype(np.float32), found)


def _parse(numbers: str, size: int | None, where: str) -> npt.NDArray[np.float32]:
    try:
        vector = np.array(numbers.split(), np.float64)
    except ValueError as error:
        raise DataError(f"{where}: {error}. Every entry after the word must be a number.") from error
    if not vector.size or vector.size != size:
        raise DataError(
            f"{where}: {vector.size} numbers where {size} are expected. The file is damaged or no .vec file."
        )
    if not (np.abs(vector) <= np.finfo(np.float32).max).all():  # false for NaN, too
        raise DataError(f"{where}: the vector holds NaN or infinity. Remove the line or use another file.")
    return vector.astype(np.float32)
