"""A specification and, as far as they exist, the data and the network made from it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sulsul.model.classifier import Classifier
from sulsul.model.specification import RecurrentLayer
from sulsul.preparation import PreparedData
from sulsul.report.record import Split
from sulsul.specification import RunSpecification
from sulsul.text.tokenizer import Encoded


@dataclass(frozen=True, eq=False)
class SetupEvidence:
    """What a run will be trained with.

    Checks of the stage ``encoded`` may rely on ``data``, those of the stage ``model`` on ``classifier`` too.

    Attributes
    ----------
    trained
        Whether the network has been trained already.
    """

    specification: RunSpecification
    prepared: PreparedData | None = None
    network: Classifier | None = None
    trained: bool = False

    @property
    def data(self) -> PreparedData:
        """The encoded splits."""
        assert self.prepared is not None
        return self.prepared

    @property
    def classifier(self) -> Classifier:
        """The network."""
        assert self.network is not None
        return self.network

    @cached_property
    def recurrent_layers(self) -> tuple[RecurrentLayer, ...]:
        """The recurrent layers in order."""
        return tuple(layer for layer in self.specification.model.layers if isinstance(layer, RecurrentLayer))

    @property
    def pads_are_read(self) -> bool:
        """Whether the network runs over PAD tokens as if they were words."""
        return self.specification.text.pad_to is not None and self.specification.model.input.kind != "raw-ids"

    @cached_property
    def headline(self) -> Split | None:
        """The split whose scores will count: test, else validation."""
        order: tuple[Split, ...] = ("test", "validation")
        return next((name for name in order if name in self.data.splits), None)

    @cached_property
    def class_ids(self) -> npt.NDArray[np.int64] | None:
        """int64 (B,): the class of each training text; None for label sets."""
        ids = self.data.train.encoded.class_ids
        return None if ids is None or ids.ndim == 2 else ids.astype(np.int64)

    @cached_property
    def headline_encoded(self) -> Encoded | None:
        """The texts of the headline split encoded once more, with their counts of unknown tokens."""
        if self.headline is None:
            return None
        return self.data.tokenizer.encode_with_lengths(self.data.texts(self.headline))
