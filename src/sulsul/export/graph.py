"""Building an ONNX graph: unique names, constants, and weights in float32 or int8."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx

_LARGEST_INT8 = 127
_FEWEST_QUANTISED = 256  # smaller weights, biases among them, are not worth the loss


class GraphBuilder:
    """Collects nodes and constants; every method returns the name of the value it made.

    Parameters
    ----------
    int8
        Store large weights as int8 with one scale per output row (symmetric, round to nearest even) and compute with
        their float values.
    """

    def __init__(self, *, int8: bool = False) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._int8 = int8
        self._n_values = 0

    def node(self, operator: str, inputs: Sequence[str], *, output: str | None = None, **attributes: Any) -> str:
        """Add a node with one output that is read; an empty input name is an optional input left out."""
        from onnx import helper

        name = output or self._new_name(operator)
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=f"{operator}_{name}", **attributes))
        return name

    def constant(self, value: npt.ArrayLike, dtype: Any) -> str:
        """Add an array as it is."""
        from onnx import numpy_helper

        name = self._new_name("constant")
        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype=dtype, order="C"), name))
        return name

    def integers(self, *values: int) -> str:
        """Add int64 values of shape (len(values),), as axes and shapes are given."""
        return self.constant(values, np.int64)

    def weight(self, value: npt.NDArray[np.floating], *, axis: int) -> str:
        """Add a weight; as int8 it has one scale per index of ``axis``."""
        if not self._int8 or value.size < _FEWEST_QUANTISED:
            return self.constant(value, np.float32)
        whole, scales = _quantised(value, axis)
        return self.node(
            "DequantizeLinear",
            [self.constant(whole, np.int8), self.constant(scales, np.float32)],
            axis=axis,
        )

    def rows(self, table: npt.NDArray[np.floating], indices: str) -> str:
        """Add a look-up of rows of a table (V, F); as int8 only the rows that are read become float."""
        if not self._int8 or table.size < _FEWEST_QUANTISED:
            return self.node("Gather", [self.constant(table, np.float32), indices], axis=0)
        whole, scales = _quantised(table, 0)
        rows = self.node("Gather", [self.constant(whole, np.int8), indices], axis=0)
        row_scales = self.node("Gather", [self.constant(scales[:, None], np.float32), indices], axis=0)
        return self.node("Mul", [self.node("Cast", [rows], to=_float32()), row_scales])

    def _new_name(self, stem: str) -> str:
        self._n_values += 1
        return f"{stem}_{self._n_values}"


def _float32() -> int:
    from onnx import TensorProto

    return int(TensorProto.FLOAT)


def _quantised(value: npt.NDArray[np.floating], axis: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return int8 values and the scale of each index of ``axis`` whose products are nearest to ``value``."""
    others = tuple(k for k in range(value.ndim) if k != axis)
    largest = np.abs(value).max(axis=others)
    scales = np.where(largest > 0, largest / _LARGEST_INT8, 1.0).astype(np.float32)
    whole = np.rint(value / np.expand_dims(scales, others))
    return np.clip(whole, -_LARGEST_INT8, _LARGEST_INT8).astype(np.int8), scales
