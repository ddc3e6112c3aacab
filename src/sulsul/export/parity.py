"""How far the logits of an exported network are from ours."""

import copy

import numpy as np
import numpy.typing as npt

from sulsul.batching import EncodedCorpus
from sulsul.ensemble import Ensemble
from sulsul.model.classifier import Classifier
from sulsul.text import WordTypes

N_RANDOM_TEXTS = 64
LONGEST_RANDOM_TEXT = 60
N_RANDOM_TYPES = 500
MOST_RANDOM_PARTS = 30


def exact_logits(ensemble: Ensemble, encoded: EncodedCorpus, temperature: float) -> npt.NDArray[np.float64]:
    """Return the logits (B, L) of our networks, computed in float64 and divided by a temperature.

    So a difference is the exported network's alone: in float32 ours depend on the processor (products on AMX are good
    to 5e-5), and two float32 computations may be on either side of the truth.
    """
    exact = Ensemble(tuple(copy.deepcopy(member).double() for member in ensemble.members))
    return np.asarray(exact.recurrent_logits(encoded) / temperature, dtype=np.float64)


def random_texts(classifier: Classifier, seed: int = 0) -> EncodedCorpus:
    """Return texts of random token ids, among them an empty one, where no real texts are given."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, LONGEST_RANDOM_TEXT + 1, N_RANDOM_TEXTS)
    lengths[0] = 0
    if classifier.pad_to is not None and classifier.specification.input.kind == "raw-ids":
        lengths[:] = classifier.pad_to
    n_ids, types = classifier.vocabulary_size, None
    if classifier.specification.input.kind == "summed-embedding":
        types = _random_types(classifier.vocabulary_size, generator)
        n_ids = len(types)
    token_ids = generator.integers(0, n_ids, int(lengths.sum())).astype(np.int32)
    return EncodedCorpus(token_ids, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), types=types)


def _random_types(vocabulary_size: int, generator: np.random.Generator) -> WordTypes:
    counts = generator.integers(1, MOST_RANDOM_PARTS + 1, N_RANDOM_TYPES)
    part_ids = generator.integers(0, vocabulary_size, int(counts.sum())).astype(np.int32)
    return WordTypes(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), part_ids)
