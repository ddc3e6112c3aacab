"""Tables of embeddings in 8 bits a number: each row as whole numbers from -127 to 127 and one scale.

The largest number of a row becomes 127 or -127, so the error of any is at most half a scale: 0.4 % of the largest
(absolute-maximum scaling by row, Dettmers et al. 2022, "8-bit optimizers via block-wise quantization", with a row as
block). What is read back and quantised again is the same to the bit.
"""

from typing import NamedTuple

import torch
from torch import Tensor

_LARGEST = 127.0


class QuantizedRows(NamedTuple):
    """A table (V, E) in 8 bits: ``codes`` int8 (V, E) times ``scales`` float32 (V,)."""

    codes: Tensor
    scales: Tensor


def quantize_rows(table: Tensor) -> QuantizedRows:
    """Return a float32 table (V, E) in 8 bits.

    Examples
    --------
    >>> quantized = quantize_rows(torch.tensor([[0.5, -1.0], [0.0, 0.0]]))
    >>> quantized.codes.tolist()
    [[64, -127], [0, 0]]
    """
    scales = table.detach().abs().amax(dim=1) / _LARGEST
    safe = torch.where(scales > 0, scales, torch.ones_like(scales))
    codes = (table.detach() / safe[:, None]).round().clamp(-_LARGEST, _LARGEST).to(torch.int8)
    return QuantizedRows(codes, scales)


def dequantize_rows(quantized: QuantizedRows) -> Tensor:
    """Return the table (V, E) in float32."""
    return quantized.codes.to(torch.float32) * quantized.scales[:, None]
