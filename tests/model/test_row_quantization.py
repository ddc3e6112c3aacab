import pytest
import torch

from sulsul.model.row_quantization import QuantizedRows, dequantize_rows, quantize_rows


def test_no_number_moves_by_more_than_half_a_step_of_its_row():
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(50, 16, generator=generator) * torch.logspace(-6, 3, 50)[:, None]
    quantized = quantize_rows(table)
    assert quantized.codes.dtype == torch.int8
    error = (dequantize_rows(quantized) - table).abs()
    assert bool((error <= 0.5001 * quantized.scales[:, None]).all())


def test_what_was_read_back_is_kept_to_the_bit():
    table = dequantize_rows(quantize_rows(torch.randn(40, 8, generator=torch.Generator().manual_seed(1))))
    assert torch.equal(dequantize_rows(quantize_rows(table)), table)


def test_a_row_of_zeros_stays():
    quantized = quantize_rows(torch.zeros(2, 3))
    assert quantized.scales.tolist() == [0.0, 0.0]
    assert dequantize_rows(quantized).tolist() == torch.zeros(2, 3).tolist()


def test_codes_are_multiplied_by_their_own_scale():
    quantized = QuantizedRows(torch.tensor([[1, -2], [3, 4]], dtype=torch.int8), torch.tensor([0.5, 0.25]))
    assert dequantize_rows(quantized).flatten().tolist() == pytest.approx([0.5, -1.0, 0.75, 1.0])
