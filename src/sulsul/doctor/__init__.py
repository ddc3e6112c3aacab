"""Checks for the mistakes that recurrent text classifiers are really built with; nothing here changes data."""

from sulsul.doctor.around_training import check_after, check_before, findings_of_run
from sulsul.doctor.check import Check
from sulsul.doctor.examination import Diagnosis
from sulsul.doctor.registry import CHECKS, slugs
from sulsul.doctor.sources import (
    examine_keras_file,
    examine_run_folder,
    examine_settings,
    examine_source,
    is_run_folder,
)
from sulsul.keras_files.model_file import is_keras_file

__all__ = [
    "CHECKS",
    "Check",
    "Diagnosis",
    "check_after",
    "check_before",
    "examine_keras_file",
    "examine_run_folder",
    "examine_settings",
    "examine_source",
    "findings_of_run",
    "is_keras_file",
    "is_run_folder",
    "slugs",
]
