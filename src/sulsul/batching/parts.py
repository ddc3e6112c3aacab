"""One batch cut into parts, one for each worker, of nearly equal numbers of texts and tokens."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sulsul.batching.encoded_corpus import Rows


@dataclass(frozen=True, eq=False)
class BatchPart:
    """Some texts of a batch, and where they stand in it.

    Attributes
    ----------
    rows : int64 (b,)
        Positions of the texts in the corpus, longest first: the order in which the part is packed.
    places : int64 (b,)
        The packed sequences that they are in the whole batch, rising.
    offsets : int64 (T,)
        Packed rows of the whole batch before each of its timesteps.
    n_texts
        Texts in the whole batch, B.
    number
        Of the part, from 0.
    """

    rows: Rows
    places: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    n_texts: int
    number: int

    @property
    def share(self) -> float:
        """Share of the batch's texts."""
        return len(self.rows) / self.n_texts


def part_of_batch(corpus_offsets: npt.NDArray[np.int64], rows: Rows, number: int, n_parts: int) -> BatchPart:
    """Return one of ``n_parts`` parts of the batch ``rows``; together they are the batch.

    The texts are dealt out by falling length, to and fro, so that the parts' numbers of texts differ by one at most and
    their numbers of tokens by the longest text at most.

    Parameters
    ----------
    corpus_offsets : int64 (n_texts + 1,)
        Where each text of the corpus begins.
    rows : int64 (B,)
        The batch.
    number, n_parts
        Which part, from 0, of how many.

    Examples
    --------
    >>> offsets = np.cumsum([0, 9, 8, 5, 4, 2])
    >>> [part_of_batch(offsets, np.arange(5), number, 2).rows.tolist() for number in range(2)]
    [[0, 3, 4], [1, 2]]
    """
    lengths = corpus_offsets[rows + 1] - corpus_offsets[rows]
    order = np.argsort(-lengths, kind="stable")
    places = dealt_out(len(rows), number, n_parts)
    return BatchPart(rows[order[places]], places, _timestep_offsets(lengths), len(rows), number)


def dealt_out(n: int, number: int, n_parts: int) -> npt.NDArray[np.int64]:
    """Return which of ``n`` things one of ``n_parts`` gets when they are dealt out to and fro, int64, rising."""
    things = np.arange(n)
    turn, seat = np.divmod(things, n_parts)
    dealt: npt.NDArray[np.int64] = things[np.where(turn % 2 == 0, seat, n_parts - 1 - seat) == number]
    return dealt


def _timestep_offsets(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the packed rows before each timestep, shape (T,)."""
    n_of_length = np.bincount(lengths)
    batch_sizes = lengths.size - np.cumsum(n_of_length)[:-1]
    offsets: npt.NDArray[np.int64] = np.cumsum(batch_sizes) - batch_sizes
    return offsets
