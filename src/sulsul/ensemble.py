"""What answers for a text: one or several recurrent networks and, where there is one, the linear part beside them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from sulsul.batching import EncodedCorpus
from sulsul.evaluation.abstention import Abstention
from sulsul.evaluation.blending import Blend
from sulsul.evaluation.linear_classifier import LinearClassifier
from sulsul.evaluation.logits import probabilities_of_logits
from sulsul.inference import predict_logits
from sulsul.model.classifier import Classifier
from sulsul.model.specification import OutputKind
from sulsul.text.normalisation import normalise

Texts = Sequence[str] | pl.Series
Logits = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class PartLogits:
    """Logits (B, L) of the parts of an answer and of the whole, with its temperature and without."""

    members: tuple[Logits, ...]
    recurrent: Logits
    linear: npt.NDArray[np.float64] | None
    uncalibrated: Logits
    whole: Logits


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The parts of a classifier and how they are combined.

    Attributes
    ----------
    members
        Trained networks of one specification, at least one.
    linear
        A linear model on n-grams of the texts themselves.
    blend
        Weight of the linear part, and temperature.
    abstention
        The confidence below which it may decline to answer; None where none was asked for or reached.
    """

    members: tuple[Classifier, ...]
    linear: LinearClassifier | None = None
    blend: Blend = field(default_factory=Blend)
    abstention: Abstention | None = None

    @property
    def first(self) -> Classifier:
        """The first network: what all members look like."""
        return self.members[0]

    @property
    def output_kind(self) -> OutputKind:
        """What the logits mean."""
        return self.first.output_kind

    @property
    def is_plain(self) -> bool:
        """Whether it is one network and nothing else."""
        return len(self.members) == 1 and self.linear is None and self.blend == Blend() and self.abstention is None

    def recurrent_logits(self, encoded: EncodedCorpus) -> Logits:
        """Return the mean logits (B, L) of the members; raises as :func:`sulsul.inference.predict_logits` does."""
        return mean_logits([predict_logits(member, encoded) for member in self.members])

    def linear_logits(self, texts: Texts | None) -> npt.NDArray[np.float64] | None:
        """Return the logits (B, L) of the linear part, in any Unicode form of the texts; None without such a part.

        Raises
        ------
        ValueError
            If there is a linear part and no texts.
        """
        if self.linear is None:
            return None
        if texts is None:
            raise ValueError("the linear part reads the texts themselves; token ids are not enough")
        logits = self.linear.logits([normalise(text) for text in texts])
        return fit_to_output(logits, self.output_kind)

    def logits(self, encoded: EncodedCorpus, texts: Texts | None = None) -> Logits:
        """Return the logits (B, L) of the whole answer.

        Parameters
        ----------
        encoded
            The texts as the members' tokenizer reads them.
        texts
            The same texts; only a linear part needs them.

        Raises
        ------
        ValueError
            As :meth:`linear_logits` does.
        DataError, KernelError
            As :func:`sulsul.inference.predict_logits` does.
        """
        return self.blend.combine(self.recurrent_logits(encoded), self.linear_logits(texts))

    def part_logits(self, encoded: EncodedCorpus, texts: Texts | None = None) -> "PartLogits":
        """Return the logits of every part as well; parameters and errors are those of :meth:`logits`."""
        members = tuple(predict_logits(member, encoded) for member in self.members)
        linear, recurrent = self.linear_logits(texts), mean_logits(members)
        untempered = self.blend.model_copy(update={"temperature": 1.0})
        return PartLogits(
            members=members,
            recurrent=recurrent,
            linear=linear,
            uncalibrated=untempered.combine(recurrent, linear),
            whole=self.blend.combine(recurrent, linear),
        )

    def probabilities(self, logits: Logits) -> Logits:
        """Return the class probabilities (B, C) of logits (B, L), in their type.

        Not by torch, whose exponentials of the last few of many numbers are others than of the rest: a text's
        probabilities would depend on its place.
        """
        multi_label = self.output_kind == "multi-label"
        return probabilities_of_logits(logits, multi_label=multi_label).astype(logits.dtype)


def mean_logits(logits: Sequence[Logits]) -> Logits:
    """Return the mean over members; that of one is the very same array."""
    return logits[0] if len(logits) == 1 else np.mean([part.astype(np.float64) for part in logits], axis=0)


def fit_to_output(logits: npt.NDArray[np.float64], output: OutputKind) -> npt.NDArray[np.float64]:
    """Return logits of a linear part as the network's output has them: one log-odds (B, 1), or one per class (B, C).

    Examples
    --------
    >>> fit_to_output(np.array([[2.0]]), "softmax").tolist()
    [[-1.0, 1.0]]
    """
    if output == "softmax" and logits.shape[1] == 1:
        halves: npt.NDArray[np.float64] = np.concatenate([-logits / 2, logits / 2], axis=1)
        return halves
    return logits
