"""The bundled sample corpus: short synthetic reviews, Korean and English, in which word order decides the label."""

from pathlib import Path

__all__ = ["sample_path"]


def sample_path() -> Path:
    """Return the path of the sample corpus: UTF-8 CSV with the columns id, text, label, language and split."""
    return Path(__file__).with_name("word_order.csv")
