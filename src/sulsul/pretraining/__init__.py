"""Learning an encoder from texts without labels."""

from sulsul.pretraining.pretrain import (
    PretrainingListener,
    PretrainingOutcome,
    PretrainingPlan,
    check_can_pretrain,
    check_folder,
    pretrain,
)
from sulsul.pretraining.texts import PretrainingTexts, collect_texts, texts_beside, texts_of_files

__all__ = [
    "PretrainingListener",
    "PretrainingOutcome",
    "PretrainingPlan",
    "PretrainingTexts",
    "check_can_pretrain",
    "check_folder",
    "collect_texts",
    "pretrain",
    "texts_beside",
    "texts_of_files",
]
