"""Some texts of a corpus -> one time-major batch without padding."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sulsul.batching.encoded_corpus import EncodedCorpus, Rows
from sulsul.text.word_types import WordTypes


@dataclass(frozen=True, eq=False)
class PackedArrays:
    """A batch as ``torch.nn.utils.rnn.PackedSequence`` defines it, in NumPy.

    The sequences are sorted by falling length. First come the first tokens of all of them, then the second tokens of
    all that have one, and so on.
    """

    token_ids: npt.NDArray[np.int64]
    """int64 (N,): token ids, time-major."""
    batch_sizes: npt.NDArray[np.int64]
    """int64 (T,): how many sequences are longer than ``t`` tokens; never rising, all above 0."""
    lengths: npt.NDArray[np.int64]
    """int64 (B,): sequence lengths, falling; zeros, which have no part in ``batch_sizes``, are last."""
    order: npt.NDArray[np.int64]
    """int64 (B,): the ``k``-th packed sequence is the text at ``rows[order[k]]``."""
    types: WordTypes | None = None
    """What the token ids stand for where they are sums of rows: only the types of this batch, rising."""


def collate(corpus: EncodedCorpus, rows: Rows) -> PackedArrays:
    """Pack the texts at ``rows``.

    Parameters
    ----------
    corpus
        Where the texts are.
    rows : int64 (B,)
        Positions of the texts in ``corpus``.

    Returns
    -------
    PackedArrays
        Equal lengths keep the order of ``rows``. Where the corpus has types, ids are positions among those that the
        batch holds, so that its cost does not depend on the corpus.

    Examples
    --------
    >>> corpus = EncodedCorpus(np.array([5, 6, 7], np.int32), np.array([0, 1, 1, 3]))
    >>> packed = collate(corpus, np.array([0, 1, 2]))
    >>> packed.token_ids.tolist(), packed.batch_sizes.tolist(), packed.lengths.tolist(), packed.order.tolist()
    ([6, 5, 7], [2, 1], [2, 1, 0], [2, 0, 1])
    """
    starts = corpus.offsets[rows]
    lengths = corpus.offsets[rows + 1] - starts
    order = np.argsort(-lengths, kind="stable")
    lengths = lengths[order]
    n_timesteps = int(lengths[0]) if lengths.size else 0
    n_of_length = np.bincount(lengths, minlength=n_timesteps + 1)
    batch_sizes = lengths.size - np.cumsum(n_of_length)[:n_timesteps]
    token_ids, types = _gather(corpus.token_ids, starts[order], batch_sizes), None
    if corpus.types is not None:
        met, token_ids = np.unique(token_ids, return_inverse=True)
        types = corpus.types.select(met)
    return PackedArrays(
        token_ids=token_ids,
        batch_sizes=batch_sizes,
        lengths=lengths,
        order=order,
        types=types,
    )


def _gather(
    token_ids: npt.NDArray[np.int32], starts: npt.NDArray[np.int64], batch_sizes: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return ``token_ids[starts[k] + t]`` for every packed position (t, k), t slowest."""
    before = np.cumsum(batch_sizes) - batch_sizes
    # Position p holds timestep t and sequence k = p - before[t]; both are spread over p by one repeat each.
    timestep = np.repeat(np.arange(batch_sizes.size), batch_sizes)
    sequence = np.arange(timestep.size) - before[timestep]
    packed: npt.NDArray[np.int64] = token_ids[starts[sequence] + timestep].astype(np.int64)
    return packed
