"""Token ids that came instead of texts, as Keras's archives hold them."""

from collections.abc import Iterator

import numpy as np

from sulsul.corpora.npz import INDEX_FROM
from sulsul.doctor.data.evidence import DataEvidence
from sulsul.doctor.quoting import percent, quote
from sulsul.findings import Finding

_START, _OOV, _UNUSED = 1, 2, 3
_MUCH = 0.1


def find_shifted_ids(evidence: DataEvidence) -> Iterator[Finding]:
    """Find ids that a word index decodes into the wrong words: Keras shifts every rank by 3."""
    sequences, index = evidence.corpus.sequences, evidence.corpus.word_index
    if sequences is None or index is None or not sequences.token_ids.size:
        return
    n_unused = int((sequences.token_ids == _UNUSED).sum())
    if not n_unused:
        return
    yield Finding(
        check="token-ids",
        severity="warning",
        what=f"Id {_UNUSED}, which Keras leaves unused, occurs {n_unused:,} times: the ids are not shifted by "
        f"{INDEX_FROM}, so the word index decodes them into other words.",
        why="Every word shown is wrong, and a tokenizer fitted on these words is too.",
        remedy="Give the ids as Keras's imdb.load_data returns them (index_from=3), or add 3 to every id of a word.",
        evidence={"id_3_occurs": n_unused, "first_text_decoded": quote(evidence.corpus.texts[0])},
    )


def find_unknown_ids(evidence: DataEvidence) -> Iterator[Finding]:
    """Find archives in which many ids stand for an unknown word."""
    sequences = evidence.corpus.sequences
    if sequences is None or not sequences.token_ids.size:
        return
    filled = np.diff(sequences.offsets) > 0
    begins = sequences.token_ids[sequences.offsets[:-1][filled]]
    if not (begins == _START).all():  # not Keras's convention: nothing is known of id 2
        return
    share = float((sequences.token_ids == _OOV).mean())
    if share < _MUCH:
        return
    yield Finding(
        check="out-of-vocabulary",
        severity="warning",
        what=f"{percent(share)} of the ids are {_OOV}, the id of unknown words; the archive knows "
        f"{int(sequences.token_ids.max()) + 1:,} ids.",
        why="What a model cannot see it cannot use: names and rare words, often the telling ones, are all one to it.",
        remedy="Use the texts themselves, or an archive made with more words (imdb.load_data(num_words=20000)).",
        evidence={"share": round(share, 5), "largest_id": int(sequences.token_ids.max())},
    )
