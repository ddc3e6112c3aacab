"""Strings <-> ids: tokenizer, vocabulary, labels. No torch, no files."""

from sulsul.text.labels import LabelEncoder
from sulsul.text.settings import TextSettings
from sulsul.text.tokenizer import Tokenizer
from sulsul.text.word_types import WordTypes

__all__ = ["LabelEncoder", "TextSettings", "Tokenizer", "WordTypes"]
