"""A training step as one call into the extension."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sulsul.batching import EncodedCorpus
from sulsul.errors import TrainingError
from sulsul.kernels.network import BLOCK
from sulsul.model.classifier import Classifier
from sulsul.model.native_network import build_network, numpy_view, tensors_by_name, type_arrays
from sulsul.training.flat_parameters import FlatArray, flatten_parameters
from sulsul.training.settings import TrainingSettings
from sulsul.training.step import Rows, StepBackend, StepOutcome

# What the optimizers remember, under the names of the torch optimizers that TorchStep uses.
_QUANTITIES = {"sgd": ("momentum_buffer",), "rmsprop": ("square_avg",), "adam": ("exp_avg", "exp_avg_sq")}


class NativeStep:
    """Forward, loss, backward, clip and step in the extension, on the classifier's own parameters.

    From now on the trainable parameters are views of one flat tensor: reading, loading and saving them works as before,
    but moving the classifier to another device or dtype takes them out of the step's reach.

    Dropout masks are a function of the seed, the step, the layer and the place of a value, so there is no random state
    to save, and they do not depend on threads. They are other masks than torch draws.

    Parameters
    ----------
    classifier
        The network to train, on the CPU.
    settings
        Optimizer, clipping and seed.
    class_weights : shape (C,), float32, optional
        See :class:`sulsul.training.objective.Objective`.

    Raises
    ------
    KernelError
        If the extension cannot run the classifier.
    """

    backend: StepBackend = "native"

    def __init__(
        self,
        classifier: Classifier,
        settings: TrainingSettings,
        class_weights: npt.NDArray[np.float32] | None = None,
    ) -> None:
        self._network = build_network(classifier)
        self._seed = settings.seed
        self._class_weights = None if class_weights is None else class_weights.astype(self._network.dtype)
        self._n_steps = 0
        self._corpus: EncodedCorpus | None = None
        trainable = [(name, p) for name, p in classifier.named_parameters() if p.requires_grad]
        self._values = flatten_parameters(trainable, BLOCK)
        self._gradients = FlatArray(trainable, BLOCK)
        self._state = {quantity: FlatArray(trainable, BLOCK) for quantity in _quantities(settings)}
        self._any_parameter = classifier.output.bias
        self._address = self._any_parameter.data_ptr()
        for name, tensor in tensors_by_name(classifier).items():
            gradient = self._gradients.views.get(name)
            self._network.bind_parameter(name, numpy_view(tensor), None if gradient is None else gradient.numpy())
        self._set_optimizer(settings, self._gradients)

    def _set_optimizer(self, settings: TrainingSettings, gradients: FlatArray) -> None:
        self._network.set_optimizer(
            settings.optimizer,
            values=self._values.flat.numpy(),
            gradients=gradients.flat.numpy(),
            state=tuple(array.flat.numpy() for array in self._state.values()),
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            clip_norm=settings.clip_norm,
            lazy_embedding=settings.lazy_embedding,
        )

    def run(self, corpus: EncodedCorpus, rows: Rows, *, learning_rate: float, step: int) -> StepOutcome:
        """Take one step; a loss that is not finite leaves the weights as they were.

        Raises
        ------
        TrainingError, DataError
            As :meth:`run_for`.
        """
        return self.run_for(0.0, corpus, [rows], learning_rates=[learning_rate], step=step)[0]

    def run_for(
        self, seconds: float, corpus: EncodedCorpus, batches: list[Rows], *, learning_rates: list[float], step: int
    ) -> list[StepOutcome]:
        """Take steps on the batches in one call, until ``seconds`` are over or a loss is not finite.

        Such a loss leaves the weights as they were and is that of the last outcome.

        Raises
        ------
        TrainingError
            If the classifier's parameters have been moved.
        DataError
            If a text does not fit the classifier.
        """
        self._check_bound(corpus)
        losses = self._network.train(
            batches, learning_rates=learning_rates, seconds=seconds, seed=self._seed, step=step
        )
        self._n_steps = step + len(losses)
        return list(map(StepOutcome._make, losses))

    def gradients(self, corpus: EncodedCorpus, rows: Rows, *, step: int = 0) -> tuple[float, dict[str, Tensor]]:
        """Return the loss of a batch in training and copies of its gradients by parameter name; nothing moves.

        Moving statistics of a batch normalisation do: they follow every batch that passes in training.
        """
        self._check_bound(corpus)
        loss = self._network.differentiate(rows, seed=self._seed, step=step)
        return loss.value, {name: view.clone() for name, view in self._gradients.views.items()}

    def times(self) -> dict[str, float]:
        """Return the seconds spent so far in each part of a step; see :meth:`sulsul.kernels.network.Network.times`."""
        return self._network.times()

    def tensors(self) -> dict[str, Tensor]:
        """Return the optimizer's tensors as :class:`TorchStep` would: ``<parameter>/<quantity>``."""
        if self._n_steps == 0:
            return {}
        tensors = {
            f"{name}/{quantity}": array.views[name] for quantity, array in self._state.items() for name in array.views
        }
        if "exp_avg" in self._state:
            tensors.update({f"{name}/step": torch.tensor(float(self._n_steps)) for name in self._values.views})
        return tensors

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back the optimizer's tensors.

        Raises
        ------
        TrainingError
            If a tensor belongs to no parameter or has not the parameter's shape.
        """
        for array in self._state.values():
            array.flat.zero_()
        for key, tensor in tensors.items():
            name, _, quantity = key.rpartition("/")
            if quantity == "step":
                continue  # the caller of run() counts
            view = self._state[quantity].views.get(name) if quantity in self._state else None
            if view is None or view.shape != tensor.shape:
                raise TrainingError(f"the checkpoint holds optimizer state {key!r}, which does not fit this classifier")
            view.copy_(tensor)

    def _check_bound(self, corpus: EncodedCorpus) -> None:
        """Bind the texts; what is bound stays so until other texts come."""
        if self._any_parameter.data_ptr() != self._address:
            raise TrainingError("the classifier was moved to another device or dtype while it was being trained")
        if corpus is self._corpus:
            return
        if corpus.class_ids is None:
            raise TrainingError("the texts to train on have no labels; name the label column")
        self._network.bind_texts(corpus.token_ids, corpus.offsets, **type_arrays(corpus.types))
        self._network.bind_labels(
            corpus.class_ids, class_weights=self._class_weights, sample_weights=corpus.sample_weights
        )
        self._corpus = corpus


def _quantities(settings: TrainingSettings) -> tuple[str, ...]:
    if settings.optimizer == "sgd" and settings.momentum == 0.0:
        return ()
    return _QUANTITIES["adam" if settings.optimizer == "adamw" else settings.optimizer]
