"""A classifier as one network of the extension, for predictions and training steps in a single call."""

from typing import NamedTuple, TypedDict
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sulsul.errors import KernelError
from sulsul.kernels.cell import Cell
from sulsul.kernels.network import Network
from sulsul.model.classifier import Classifier
from sulsul.model.packed_batch import Types
from sulsul.model.specification import (
    BatchNormLayer,
    DenseLayer,
    DropoutLayer,
    EmbeddingInput,
    ModelSpecification,
    OneHotInput,
    RecurrentLayer,
    SummedEmbeddingInput,
)


def refusal(classifier: Classifier) -> str | None:
    """Return why the extension cannot run the whole classifier, or None where it can: any network on the CPU."""
    kernel = classifier.output.kernel
    if kernel.device.type != "cpu":
        return f"its parameters are on {kernel.device}, not on the CPU"
    if kernel.dtype not in (torch.float32, torch.float64):
        return f"its parameters are {kernel.dtype}, not float32 or float64"
    return None


def build_network(classifier: Classifier) -> Network:
    """Return a network of the classifier's structure, with nothing bound.

    Raises
    ------
    KernelError
        If the extension cannot run it; see :func:`refusal`.
    """
    reason = refusal(classifier)
    if reason is not None:
        raise KernelError(f"backend 'native' cannot run this classifier: {reason}; use 'auto' or 'torch'")
    specification = classifier.specification
    network = Network(np.float64 if classifier.output.kernel.dtype == torch.float64 else np.float32)
    _set_input(network, classifier)
    for layer in specification.layers:
        match layer:
            case RecurrentLayer():
                cell = Cell(layer.kind, layer.activation, layer.reset_after)
                network.add_recurrent(cell, units=layer.units, bidirectional=layer.bidirectional)
            case BatchNormLayer():
                network.add_batch_norm(momentum=layer.momentum, epsilon=layer.epsilon)
            case DropoutLayer():
                network.add_dropout(layer.rate)
    network.set_pooling(specification.pooling)
    _add_head(network, specification)
    network.set_output(classifier.output_kind, n_logits=classifier.output.layer.units)
    return network


def _set_input(network: Network, classifier: Classifier) -> None:
    settings = classifier.specification.input
    if isinstance(settings, OneHotInput):
        network.set_one_hot_input(vocabulary_size=classifier.vocabulary_size)
    elif isinstance(settings, EmbeddingInput):
        network.set_embedding_input(
            vocabulary_size=classifier.vocabulary_size, size=settings.size, trainable=settings.trainable
        )
    elif isinstance(settings, SummedEmbeddingInput):
        network.set_summed_embedding_input(vocabulary_size=classifier.vocabulary_size, size=settings.size)
    else:
        assert classifier.pad_to is not None
        network.set_raw_ids_input(pad_to=classifier.pad_to)


def _add_head(network: Network, specification: ModelSpecification) -> None:
    for layer in specification.head:
        if isinstance(layer, DenseLayer):
            network.add_dense(units=layer.units, activation=layer.activation)
        else:
            network.add_dropout(layer.rate)


class TypeArrays(TypedDict):
    """What a native network is told about word types, beside the texts."""

    type_offsets: npt.NDArray[np.int64] | None
    part_ids: npt.NDArray[np.int32] | None


def type_arrays(types: Types | None) -> TypeArrays:
    """Return the arguments for texts whose token ids are these types, or rows of an embedding where there are none."""
    if types is None:
        return {"type_offsets": None, "part_ids": None}
    return {"type_offsets": types.offsets, "part_ids": types.part_ids}


def tensors_by_name(classifier: Classifier) -> dict[str, Tensor]:
    """Return parameters and moving statistics by the names that :meth:`Network.parameters` gives them."""
    return {**dict(classifier.named_parameters()), **dict(classifier.named_buffers())}


def numpy_view(tensor: Tensor) -> npt.NDArray[np.floating]:
    """Return the tensor's memory as an array.

    Raises
    ------
    KernelError
        If it is not contiguous.
    """
    if not tensor.is_contiguous():
        raise KernelError("native network: a parameter is not contiguous in memory")
    array: npt.NDArray[np.floating] = tensor.detach().numpy()
    return array


class _Bound(NamedTuple):
    network: Network
    addresses: tuple[int, ...]


_bound: "WeakKeyDictionary[Classifier, _Bound]" = WeakKeyDictionary()


def inference_network(classifier: Classifier) -> Network | None:
    """Return a network that predicts with the classifier's present parameters, or None where torch must.

    It is kept for the next call, and made anew when the parameters have moved.

    Raises
    ------
    KernelError
        If the classifier insists on the native backend and the extension cannot run it.
    """
    if classifier.backend == "torch" or (classifier.backend == "auto" and refusal(classifier) is not None):
        return None
    tensors = tensors_by_name(classifier)
    addresses = tuple(tensor.data_ptr() for tensor in tensors.values())
    bound = _bound.get(classifier)
    if bound is None or bound.addresses != addresses:
        network = build_network(classifier)
        for name, tensor in tensors.items():
            network.bind_parameter(name, numpy_view(tensor))
        bound = _bound[classifier] = _Bound(network, addresses)
    return bound.network
