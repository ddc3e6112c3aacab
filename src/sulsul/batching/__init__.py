"""Encoded corpora, batches of similar length, packing. No torch."""

from sulsul.batching.collate import PackedArrays, collate
from sulsul.batching.encoded_corpus import EncodedCorpus
from sulsul.batching.joining import join_texts
from sulsul.batching.parts import BatchPart, part_of_batch
from sulsul.batching.sampler import BatchSampler
from sulsul.batching.thinning import thin_batches

__all__ = [
    "BatchPart",
    "BatchSampler",
    "EncodedCorpus",
    "PackedArrays",
    "collate",
    "join_texts",
    "part_of_batch",
    "thin_batches",
]
