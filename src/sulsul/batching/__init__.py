"""Encoded corpora, batches of similar length, packing. No torch."""

from sulsul.batching.collate import PackedArrays, collate
from sulsul.batching.encoded_corpus import EncodedCorpus
from sulsul.batching.sampler import BatchSampler

__all__ = ["BatchSampler", "EncodedCorpus", "PackedArrays", "collate"]
