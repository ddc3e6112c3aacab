"""The rows of an embedding table that a batch reads, in the table's place while a step is computed.

torch makes a gradient as large as the table: with 2,000 texts, whose table has 62,000 rows of 64 numbers, zeroing,
adding and clipping it took about half of a step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import Parameter

from sulsul.model.classifier import Classifier
from sulsul.model.inputs import Embedding, SummedEmbedding
from sulsul.model.packed_batch import PackedBatch


class BatchTable:
    """Some rows of a table as a parameter of their own.

    Parameters
    ----------
    table : shape (V, E)
        The whole.
    rows : shape (n,), int64
        Which, rising.

    Attributes
    ----------
    parameter : shape (n, E)
        A copy, whose gradient is that of the rows.
    """

    def __init__(self, table: Parameter, rows: Tensor) -> None:
        self.rows = rows
        self.parameter = Parameter(table.detach()[rows])

    def renumbered(self, batch: PackedBatch) -> PackedBatch:
        """Return a batch that reads no other rows, with their positions here in place of their numbers."""
        if batch.types is None:
            return replace(batch, token_ids=torch.searchsorted(self.rows, batch.token_ids))
        part_ids = torch.searchsorted(self.rows, batch.types.part_ids)
        return replace(batch, types=batch.types._replace(part_ids=part_ids))

    @contextmanager
    def in_place(self, classifier: Classifier) -> Iterator[None]:
        """Let the classifier read these rows, in renumbered batches, instead of the whole table."""
        source = classifier.input
        assert isinstance(source, Embedding | SummedEmbedding)
        whole = source.weight
        source.weight = self.parameter
        try:
            yield
        finally:
            source.weight = whole


def touched_rows(batch: PackedBatch) -> Tensor:
    """Return the rows of the embedding that a batch reads, rising, shape (n,), int64."""
    rows: Tensor = torch.unique(batch.token_ids if batch.types is None else batch.types.part_ids)
    return rows
