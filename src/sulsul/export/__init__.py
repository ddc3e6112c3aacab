"""A trained classifier for other runtimes: ONNX, written node by node and compared before it is saved."""

from sulsul.export.onnx_file import OPSET, ExportReport, export_onnx

__all__ = ["OPSET", "ExportReport", "export_onnx"]
