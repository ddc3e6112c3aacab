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
from sulsul.pretraining.predicted_words import NegativeSampler, PredictedWords
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
    """States (M, H) and the words (M,) that they are to predict."""

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
        if not len(predictions.words):
            return StepLoss(0.0, 0)
        negatives = self._sampler.draw(step)
        words, places = torch.unique(
            torch.cat([predictions.words, torch.from_numpy(negatives.words)]), return_inverse=True
        )
        n = len(predictions.words)
        output = self._output.read(words)
        candidates = Candidates(
            places[:n],
            places[n:],
            self._log_expected[predictions.words],
            torch.from_numpy(negatives.log_expected),
            len(words),
        )
        loss = sampled_softmax_loss(self._dropped(predictions.states, step), output, candidates)
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
            total += full_softmax_loss(predictions.states, self._output.values, predictions.words)
            n += len(predictions.words)
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
        found = [_predictions(states[:, : self._units], pairs.before, words, pairs.after)]
        if self._recurrent.layer.bidirectional:
            found.append(_predictions(states[:, self._units :], pairs.after, words, pairs.before))
        together = _Predictions(torch.cat([part.states for part in found]), torch.cat([part.words for part in found]))
        return table_rows, read, together

    def _dropped(self, states: Tensor, step: int) -> Tensor:
        if not self._dropout:
            return states
        # The masks are a function of seed and step: there is no random state to save.
        seed = int(np.random.SeedSequence([self._seed, step, 3]).generate_state(1, np.uint64)[0])
        generator = torch.Generator().manual_seed(seed)
        kept = torch.empty_like(states).bernoulli_(1.0 - self._dropout, generator=generator)
        return states * kept.div_(1.0 - self._dropout)


def _predictions(
    states: Tensor, at: Rows, words: "np.ndarray[tuple[int], np.dtype[np.int32]]", to: Rows
) -> _Predictions:
    """Return the states at some rows and the words at others, where these are predicted at all."""
    known = words[to] >= 0
    return _Predictions(
        states.index_select(0, torch.from_numpy(at[known])), torch.from_numpy(words[to[known]].astype(np.int64))
    )


def _output_table(predicted: PredictedWords, units: int, seed: int) -> Tensor:
    """Return small random vectors (K, H+1) and, as biases, the logarithms of the words' shares."""
    generator = torch.Generator().manual_seed(seed)
    vectors = initialization.uniform((len(predicted), units), initialization.EMBEDDING_LIMIT, generator)
    shares = torch.from_numpy(np.log(predicted.counts / predicted.counts.sum())).to(vectors.dtype)
    return torch.cat([vectors, shares.unsqueeze(1)], dim=1)
