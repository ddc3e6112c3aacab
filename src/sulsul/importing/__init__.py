"""From a Keras model file to a classifier of ours, without running anything the file holds."""

from sulsul.importing.comparison import Comparison
from sulsul.importing.keras_model import ImportReport, import_keras
from sulsul.importing.vocabulary import Arrangement

__all__ = ["Arrangement", "Comparison", "ImportReport", "import_keras"]
