"""A language model in both directions around the first recurrent layer of a classifier.

Each direction predicts the next word on its way from its own state alone: the forward one the word that follows, the
backward one the word before (Peters et al. 2018, "Deep contextualized word representations", section 3.1). Both share
one table of output vectors.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sulsul.batching import EncodedCorpus, collate
from sulsul.batching.encoded_corpus import Rows
from sulsul.encoder import encoder_tensors, first_recurrent_layer
from sulsul.errors import DataError, TrainingError
from sulsul.model import initialization
from sulsul.model.classifier import Classifier
from sulsul.model.packed_batch import PackedBatch
from sulsul.model.recurrence_inputs import TokenInput
from sulsul.model.recurrent import Recurrent
from sulsul.pretraining.lazy_table import LazyTable
from sulsul.pretraining.predicted_words import NO_WORD, NegativeSampler, PredictedWords
from sulsul.pretraining.sampled_softmax import Candidates, full_softmax_loss, sampled_softmax_loss
from sulsul.pretraining.segments import neighbours
from sulsul.training.clipping import clip_gradients
from sulsul.training.optimizers import build_optimizer, load_optimizer_tensors, optimizer_tensors, take_step
from sulsul.training.settings import TrainingSettings


class StepLoss(NamedTuple):
    """What a step computed: mean loss in nats, and how many words it was taken over."""

    loss: float
    n_predicted: int


class _Predictions(NamedTuple):
    """States (N, D·H), and for each direction the word (D, N) to predict at each place, or ``NO_WORD``."""

    states: Tensor
    words: Tensor


class LanguageModel:
    """The input and first recurrent layer of a classifier, with an output table, and a step of training.

    Parameters
    ----------
    classifier
        Its input and first recurrent layer are trained in place.
    predicted
        The words to predict.
    n_negatives
        Draws for each step.
    dropout
        Share of the predicting states' values that is set to 0.
    clip_norm
        Largest global norm of the gradient.
    seed
        Seeds the output table, the draws and the dropout.

    Raises
    ------
    SpecificationError
        If the classifier has no table, or no recurrent layer right behind it.
    """

    def __init__(
        self,
        classifier: Classifier,
        predicted: PredictedWords,
        *,
        n_negatives: int,
        dropout: float,
        clip_norm: float | None,
        seed: int,
    ) -> None:
        layer = classifier.layers[first_recurrent_layer(classifier.specification)]
        assert isinstance(layer, Recurrent)
        self._classifier, self._recurrent = classifier, layer
        self._predicted = predicted
        self._sampler = NegativeSampler(predicted.counts, n_negatives, seed)
        self._log_expected = torch.from_numpy(self._sampler.log_expected)
        self._dropout, self._clip_norm, self._seed = dropout, clip_norm, seed
        self._units = layer.layer.units
        self._input = LazyTable(encoder_tensors(classifier)["input.weight"])
        self._output = LazyTable(_output_table(predicted, self._units, seed))
        self._named = list(layer.named_parameters())
        settings = TrainingSettings(optimizer="adam")
        self._optimizer = build_optimizer([parameter for _, parameter in self._named], settings)

    def step(self, corpus: EncodedCorpus, rows: Rows, *, learning_rate: float, step: int) -> StepLoss:
        """Take one step on the segments at ``rows``; ``step`` counts the steps taken before it.

        Raises
        ------
        TrainingError
            If the loss is not finite.
        """
        part_rows, read, predictions = self._forward(corpus, rows)
        is_predicted = predictions.words != NO_WORD
        n = int(is_predicted.sum())
        if not n:
            return StepLoss(0.0, 0)
        negatives = self._sampler.draw(step)
        words, places = torch.unique(
            torch.cat([predictions.words[is_predicted], torch.from_numpy(negatives.words)]), return_inverse=True
        )
        output = self._output.read(words)
        candidates = Candidates(
            torch.full_like(predictions.words, NO_WORD).masked_scatter_(is_predicted, places[:n]),
            places[n:],
            self._log_expected[predictions.words.clamp(min=0)],
            torch.from_numpy(negatives.log_expected),
            len(words),
        )
        kept = self._kept(predictions.states, step) if self._dropout else None
        loss = sampled_softmax_loss(predictions.states, output, candidates, kept, share_kept=1.0 - self._dropout)
        value = loss.item()
        if not np.isfinite(value):
            raise TrainingError(
                f"The loss became {value} at step {step + 1} (learning rate {learning_rate:g}). Lower "
                f"pretraining.learning_rate, for example to {learning_rate / 10:g}."
            )
        parameters = [parameter for _, parameter in self._named]
        for parameter in parameters:
            parameter.grad = None
        torch.autograd.backward(loss)
        if self._clip_norm is not None:
            clip_gradients([*parameters, read, output], self._clip_norm)
        take_step(self._optimizer, learning_rate=learning_rate, step=step)
        self._input.update(part_rows, read, learning_rate=learning_rate, step=step)
        self._output.update(words, output, learning_rate=learning_rate, step=step)
        return StepLoss(value, n)

    @torch.no_grad()
    def evaluate(self, corpus: EncodedCorpus, batches: Sequence[Rows]) -> StepLoss:
        """Return the mean loss over all predicted words, in full: nothing is drawn or dropped.

        Raises
        ------
        DataError
            If no word of theirs is predicted.
        """
        total, n = 0.0, 0
        for rows in batches:
            _, _, predictions = self._forward(corpus, rows)
            by_direction = predictions.states.chunk(len(predictions.words), dim=1)
            for states, words in zip(by_direction, predictions.words, strict=True):
                is_predicted = words != NO_WORD
                total += full_softmax_loss(states[is_predicted], self._output.values, words[is_predicted])
                n += int(is_predicted.sum())
        if not n:
            raise DataError("the held-out texts hold no word that is predicted; more texts are needed to pretrain.")
        return StepLoss(total / n, n)

    def encoder_tensors(self) -> dict[str, Tensor]:
        """Return the weights that an encoder keeps, by the encoder's names."""
        return {name: parameter.detach() for name, parameter in encoder_tensors(self._classifier).items()}

    def tensors(self) -> dict[str, Tensor]:
        """Return everything that a step changes, by name."""
        return {
            **{f"recurrent/{name}": parameter.detach() for name, parameter in self._named},
            **{f"optimizer/{name}": tensor for name, tensor in optimizer_tensors(self._optimizer, self._named).items()},
            **{f"input/{name}": tensor for name, tensor in self._input.tensors().items()},
            **{f"output/{name}": tensor for name, tensor in self._output.tensors().items()},
        }

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`tensors` returned.

        Raises
        ------
        TrainingError
            If tensors are missing, or of other shapes.
        """
        own = {name: tensor for name, tensor in self.tensors().items() if not name.startswith("optimizer/")}
        for name, tensor in own.items():
            if name not in tensors or tensors[name].shape != tensor.shape:
                raise TrainingError(f"the pretraining cannot be resumed: its network was another one ({name}).")
        for name, parameter in self._named:
            parameter.data.copy_(tensors[f"recurrent/{name}"])
        for table, prefix in ((self._input, "input"), (self._output, "output")):
            table.load_tensors({name: tensors[f"{prefix}/{name}"] for name in table.tensors()})
        remembered = {
            name.removeprefix("optimizer/"): tensor for name, tensor in tensors.items() if name.startswith("optimizer/")
        }
        load_optimizer_tensors(self._optimizer, self._named, remembered)

    def _forward(self, corpus: EncodedCorpus, rows: Rows) -> tuple[Tensor, Tensor, _Predictions]:
        """Return the rows of the input table that the segments read, their copies, and what is to be predicted."""
        packed = collate(corpus, rows)
        assert packed.types is not None
        part_rows, parts = np.unique(packed.types.part_ids, return_inverse=True)
        table_rows = torch.from_numpy(part_rows.astype(np.int64))
        read = self._input.read(table_rows)
        vectors = nn.functional.embedding_bag(
            torch.from_numpy(parts),
            read,
            torch.from_numpy(packed.types.offsets),
            mode="sum",
            include_last_offset=True,
        )
        batch = PackedBatch.from_arrays(packed)
        states = self._recurrent(TokenInput(batch.token_ids, vectors), batch)
        words = self._predicted.of_types(packed.types)[packed.token_ids]
        pairs = neighbours(packed.batch_sizes)
        to_predict = np.full((self._recurrent.layer.n_directions, len(words)), NO_WORD, np.int64)
        to_predict[0, pairs.before] = words[pairs.after]
        if self._recurrent.layer.bidirectional:
            to_predict[1, pairs.after] = words[pairs.before]
        return table_rows, read, _Predictions(states, torch.from_numpy(to_predict))

    def _kept(self, states: Tensor, step: int) -> Tensor:
        """Return which values (N, D·H) dropout keeps: a function of seed and step, so there is no state to save."""
        draws = np.frombuffer(
            np.random.default_rng([self._seed, step, 3]).bytes(2 * states.numel()), dtype="<u2"
        ).reshape(states.shape)
        return torch.from_numpy(draws >= round(self._dropout * 2**16))


def _output_table(predicted: PredictedWords, units: int, seed: int) -> Tensor:
    """Return small random vectors (K, H+1) and, as biases, the logarithms of the words' shares."""
    generator = torch.Generator().manual_seed(seed)
    vectors = initialization.uniform((len(predicted), units), initialization.EMBEDDING_LIMIT, generator)
    shares = torch.from_numpy(np.log(predicted.counts / predicted.counts.sum())).to(vectors.dtype)
    return torch.cat([vectors, shares.unsqueeze(1)], dim=1)
