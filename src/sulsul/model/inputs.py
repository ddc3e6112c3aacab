"""The first step of a classifier: from token ids to what the first layer reads."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor, nn

from sulsul.errors import DataError
from sulsul.model import initialization
from sulsul.model.packed_batch import PackedBatch
from sulsul.model.recurrence_inputs import TokenInput
from sulsul.model.specification import EmbeddingInput, SummedEmbeddingInput


class OneHot(nn.Module):
    """Token ids that select rows of the first layer's kernel; the one-hot matrix never exists."""

    def forward(self, batch: PackedBatch) -> tuple[TokenInput, PackedBatch]:
        """Return the ids without a table, and the batch unchanged."""
        return TokenInput(batch.token_ids, None), batch


class Embedding(nn.Module):
    """Token ids that select rows of a table. PAD is a row like any other, as in Keras without ``mask_zero``.

    Attributes
    ----------
    weight : Parameter, shape (V, E)
    """

    def __init__(
        self,
        settings: EmbeddingInput,
        vocabulary_size: int,
        generator: Generator,
        vectors: npt.NDArray[np.floating] | None = None,
    ) -> None:
        super().__init__()
        table = initialization.embedding_table(vocabulary_size, settings.size, generator, vectors)
        self.weight = nn.Parameter(table, requires_grad=settings.trainable)

    def forward(self, batch: PackedBatch) -> tuple[TokenInput, PackedBatch]:
        """Return the ids with the table, and the batch unchanged."""
        return TokenInput(batch.token_ids, self.weight), batch


class SummedEmbedding(nn.Module):
    """Token ids that stand for sums of rows of a table, summed once for each type in the batch.

    Attributes
    ----------
    weight : Parameter, shape (V, E)
    """

    def __init__(self, settings: SummedEmbeddingInput, vocabulary_size: int, generator: Generator) -> None:
        super().__init__()
        shape = (vocabulary_size, settings.size)
        self.weight = nn.Parameter(initialization.uniform(shape, settings.initial_limit, generator))

    def forward(self, batch: PackedBatch) -> tuple[TokenInput, PackedBatch]:
        """Return the ids with the batch's own table (U, E), and the batch unchanged.

        Raises
        ------
        DataError
            If a part is outside the table.
        """
        assert batch.types is not None
        part_ids, n_rows = batch.types.part_ids, self.weight.shape[0]
        if part_ids.shape[0] and int(part_ids.max()) >= n_rows:
            raise DataError(
                f"the words hold part ids up to {int(part_ids.max())}, but the model's table has rows 0 to "
                f"{n_rows - 1}; encode the texts with the tokenizer the model was trained with"
            )
        table = nn.functional.embedding_bag(
            part_ids, self.weight, batch.types.offsets, mode="sum", include_last_offset=True
        )
        return TokenInput(batch.token_ids, table), batch


class RawIds(nn.Module):
    """One timestep whose features are the padded token ids themselves, as floats.

    Parameters
    ----------
    pad_to
        Number of ids in every text.
    """

    def __init__(self, pad_to: int) -> None:
        super().__init__()
        self.pad_to = pad_to

    def forward(self, batch: PackedBatch) -> tuple[Tensor, PackedBatch]:
        """Return the ids (B, pad_to) as float32, exact below 2**24, and a batch of sequences of length 1.

        Raises
        ------
        DataError
            If a text is not ``pad_to`` tokens long.
        """
        if bool((batch.lengths != self.pad_to).any()):
            longest, shortest = int(batch.lengths[0]), int(batch.lengths[-1])
            raise DataError(
                f"a raw-ids input reads texts of exactly {self.pad_to} tokens, but this batch holds texts of "
                f"{shortest} to {longest}; encode with text.pad_to and text.max_length {self.pad_to}"
            )
        features = batch.token_ids.view(self.pad_to, batch.n_sequences).t().to(torch.float32)
        single = PackedBatch(
            token_ids=batch.token_ids[: batch.n_sequences],
            batch_sizes=torch.tensor([batch.n_sequences] if batch.n_sequences else [], dtype=torch.int64),
            lengths=torch.ones_like(batch.lengths),
            order=batch.order,
        )
        return features.contiguous(), single
