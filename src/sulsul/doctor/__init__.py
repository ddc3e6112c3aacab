"""Checks for the mistakes that recurrent text classifiers are really built with; nothing here changes data."""

from sulsul.doctor.check import Check
from sulsul.doctor.examination import Diagnosis, examine_data, examine_source
from sulsul.doctor.registry import CHECKS, slugs

__all__ = ["CHECKS", "Check", "Diagnosis", "examine_data", "examine_source", "slugs"]
