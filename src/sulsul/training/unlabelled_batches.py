"""Which texts without labels a step takes, as a pure function of seed and step."""

from collections.abc import Sequence

import numpy as np

from sulsul.batching import BatchSampler, EncodedCorpus
from sulsul.errors import TrainingError
from sulsul.training.settings import TrainingSettings
from sulsul.training.step import Rows

_STREAM = 1  # apart from the order of the labelled texts, which is drawn from the seed itself


class UnlabelledBatches:
    """Deals out texts, pass after pass, each of them once a pass; a resumed run needs nothing but the step to go on.

    Parameters
    ----------
    corpus
        The texts.
    settings
        Batch size, bucketing and seed.

    Raises
    ------
    TrainingError
        If there are no texts.
    """

    def __init__(self, corpus: EncodedCorpus, settings: TrainingSettings) -> None:
        if len(corpus) == 0:
            raise TrainingError("there are no unlabelled texts to train on; leave them out")
        self.corpus = corpus
        seed = int(np.random.SeedSequence([settings.seed, _STREAM]).generate_state(1)[0])
        self._sampler = BatchSampler(corpus.lengths, settings.batch_size, seed=seed, bucket=settings.bucket)
        self._pass = -1
        self._batches: Sequence[Rows] = ()

    def rows(self, step: int) -> Rows:
        """Return the texts of a step, int64; ``step`` counts the steps taken before it."""
        number, batch = divmod(step, len(self._sampler))
        if number != self._pass:
            self._pass, self._batches = number, self._sampler.epoch(number)
        return self._batches[batch]
