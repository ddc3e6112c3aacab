"""Words that give the label away: a label written into its text, or a mark that one class always carries."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from sulsul.doctor.data.evidence import DataEvidence
from sulsul.doctor.quoting import percent
from sulsul.findings import Finding

_FEWEST_TEXTS = 20
# A rule is a leak if hardly anything contradicts it and it decides a good part of its class.
_ERROR_OF_CHANCE, _COVERAGE, _GRAVE_COVERAGE = 0.05, 0.3, 0.9
_MOST_CLASSES = 50
_SHOWN = 10


@dataclass(frozen=True)
class _Rule:
    mark: str
    label: str
    precision: float
    coverage: float

    @property
    def words(self) -> str:
        return f"{self.mark} → {self.label} (right in {percent(self.precision)}, {percent(self.coverage)} of the class)"


def find_label_leak(evidence: DataEvidence) -> Iterator[Finding]:
    """Find single words, or the label's own name, that predict a class almost perfectly."""
    if len(evidence.classes) < 2:
        return
    rules = [*_word_rules(evidence), *_name_rules(evidence)]
    rules.sort(key=lambda rule: (-rule.coverage, -rule.precision, rule.mark))
    if not rules:
        return
    best = rules[0]
    yield Finding(
        check="label-leak",
        severity="error" if best.coverage >= _GRAVE_COVERAGE else "warning",
        what=f"{best.mark} alone tells the class “{best.label}”: of the texts with it {percent(best.precision)} are of "
        f"that class, and {percent(best.coverage)} of the class hold it.",
        why="A model learns this mark instead of the language, and fails on texts that arrive without it.",
        remedy="Find out where the mark comes from (a template, a category name, an id, a link); remove it from the "
        "texts if it will not be there when the model is used.",
        evidence={"marks": [rule.words for rule in rules[:_SHOWN]]},
    )


def _word_rules(evidence: DataEvidence) -> Iterator[_Rule]:
    table, n_classes = evidence.words, len(evidence.classes)
    labels = evidence.class_ids[table.positions]
    if len(labels) < _FEWEST_TEXTS:
        return
    priors = np.bincount(labels[labels >= 0], minlength=n_classes)
    fewest = max(_FEWEST_TEXTS, int(_COVERAGE * priors[priors > 0].min()))
    by_word = table.by_word
    frequent = by_word.filter(pl.col("n_texts") >= fewest)
    occurrences = table.occurrences.join(frequent.select("word"), on="word", how="semi")
    frame = occurrences.with_columns(pl.Series("label", labels).gather(occurrences["text"]))
    counts = frame.filter(pl.col("label") >= 0).group_by("word", "label").len()
    best = counts.sort("len", descending=True).group_by("word", maintain_order=True).first()
    best = best.join(frequent.select("word", "n_texts"), on="word").sort("word")
    for word, label, hits, n_texts in best.select("word", "label", "len", "n_texts").iter_rows():
        rule = _Rule(f"the word “{word}”", evidence.classes[label], hits / n_texts, hits / int(priors[label]))
        if _is_leak(rule, int(priors[label]) / int(priors.sum())):
            yield rule


def _name_rules(evidence: DataEvidence) -> Iterator[_Rule]:
    """Rules of the form: the text begins with the label, or holds it in brackets."""
    classes = evidence.classes
    if len(classes) > _MOST_CLASSES:
        return
    texts, total = evidence.corpus.texts.str.to_lowercase(), int((evidence.class_ids >= 0).sum())
    for label, name in enumerate(classes):
        spelt = name.strip().lower()
        if len(spelt) < 2 or spelt.isnumeric():
            continue
        own = evidence.class_ids == label
        literal = _escape(spelt)
        for mark, pattern in (
            (f"“{name}” in brackets", rf"[\[(<{{【「]\s*{literal}\s*[\])>}}】」]"),
            (f"“{name}” at the beginning", rf"^\s*{literal}\b"),
        ):
            holds = texts.str.contains(pattern).to_numpy()
            n_texts = int(holds.sum())
            if n_texts < _FEWEST_TEXTS:
                continue
            hits = int((holds & own).sum())
            rule = _Rule(mark, name, hits / n_texts, hits / max(1, int(own.sum())))
            if _is_leak(rule, float(own.sum()) / total):
                yield rule


def _is_leak(rule: _Rule, prior: float) -> bool:
    return rule.coverage >= _COVERAGE and 1.0 - rule.precision <= _ERROR_OF_CHANCE * (1.0 - prior)


def _escape(text: str) -> str:
    return "".join(character if character.isalnum() else f"\\x{{{ord(character):x}}}" for character in text)
