"""A Keras model and its inputs, with what several checks need to know of both."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sulsul.doctor.keras_files.inputs import Inputs, KerasInputs
from sulsul.keras_files.model_file import KerasModel

# Layers after which no mask arrives.
_DROP_MASK = frozenset(
    {"Conv1D", "SeparableConv1D", "MaxPooling1D", "AveragePooling1D", "Flatten", "Reshape", "Permute", "RepeatVector"}
)
_SOME = 0.05


@dataclass(frozen=True)
class Padding:
    """How much of some inputs is id 0: share of all timesteps, and of the texts that end or begin with it."""

    share: float
    behind: float
    in_front: float

    @property
    def side(self) -> str | None:
        """Where the pads are; None if hardly any text has some."""
        if max(self.behind, self.in_front) < _SOME:
            return None
        return "behind" if self.behind >= self.in_front else "in front"


@dataclass(frozen=True, eq=False)
class KerasEvidence:
    """A model file and, where they were given, its arrays."""

    model: KerasModel
    inputs: KerasInputs | None = None

    @cached_property
    def train(self) -> Inputs | None:
        """The training inputs, or the only ones there are."""
        if self.inputs is None:
            return None
        return self.inputs.x.get("train") or next(iter(self.inputs.x.values()))

    @cached_property
    def padding(self) -> Padding | None:
        """How the training inputs are padded; None where that cannot be seen."""
        if self.train is None or self.train.lengths is not None or self.train.token_ids is None:
            return None
        is_pad = self.train.token_ids == 0
        # Ids that also occur between words are not padding.
        behind = np.minimum.accumulate(is_pad[:, ::-1], axis=1)[:, ::-1]
        in_front = np.minimum.accumulate(is_pad, axis=1)
        share = float((behind | in_front).mean())
        return Padding(share, float(behind[:, -1].mean()), float((in_front[:, 0] & ~behind[:, -1]).mean()))

    def is_masked(self, position: int) -> bool:
        """Whether a mask reaches the layer at a position."""
        masked = False
        for layer in self.model.layers[: position + 1]:
            if layer.kind == "Masking" or (layer.kind == "Embedding" and layer.settings.get("mask_zero")):
                masked = True
            elif layer.kind in _DROP_MASK:
                masked = False
        return masked or self.model.layers[position].receives_mask
