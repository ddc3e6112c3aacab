"""A trained classifier for other runtimes: ONNX or Keras, written node by node and compared before it is saved."""

from sulsul.export.keras_file import KerasExportReport, export_keras
from sulsul.export.onnx_file import OPSET, ExportReport, export_onnx

__all__ = ["OPSET", "ExportReport", "KerasExportReport", "export_keras", "export_onnx"]
