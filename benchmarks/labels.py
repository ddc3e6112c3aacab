"""How many planted wrong labels `doctor --labels` finds, and what share of wrong labels it estimates.

A share of the labels of a table is exchanged for another class at random; the table is written to a file and examined
as a user would. Labels that were wrong before count as false alarms here, so precision is a lower bound.

Usage:

    python benchmarks/labels.py [--only NAME …] [--planted 0.05] [--recipe NAME] [--rows 20000]
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from sulsul.corpora import Corpus, DataSettings, read_corpus
from sulsul.doctor.labels.label_report import examine_labels
from sulsul.recipes import load_recipe
from sulsul.sample import sample_path
from sulsul.specification import RunSpecification

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
FIRST = 100


@dataclass(frozen=True)
class Case:
    """A table, its columns, and the classes that are used."""

    file: Path
    text: tuple[str, ...]
    label: str
    classes: tuple[str, ...] = ()


CASES = {
    "sample": Case(sample_path(), ("text",), "label"),
    "seoul-3": Case(SHARED / "seoul-120-text.csv", ("제목", "내용"), "분류", ("행정", "경제", "복지")),
    "seoul-10": Case(SHARED / "seoul-120-text.csv", ("제목", "내용"), "분류"),
    "nsmc": Case(SHARED / "nsmc-train.tsv", ("document",), "label"),
    "imdb": Case(SHARED / "imdb-train.parquet", ("text",), "label"),
}


def read(case: Case, n_rows: int, rng: np.random.Generator) -> Corpus:
    """Return the texts, or so many drawn at random."""
    settings = DataSettings(source=str(case.file), text=case.text, label=case.label, keep_classes=case.classes)
    corpus = read_corpus(settings)
    return corpus.select(np.sort(rng.permutation(len(corpus))[:n_rows]))


def plant(labels: list[str], share: float, rng: np.random.Generator) -> tuple[list[str], set[int]]:
    """Return labels of which a share is another class, and the row numbers (from 1) of those."""
    classes = sorted(set(labels))
    wrong = rng.permutation(len(labels))[: round(share * len(labels))].tolist()
    turned = list(labels)
    for index in wrong:
        turned[index] = str(rng.choice([name for name in classes if name != labels[index]]))
    return turned, {index + 1 for index in wrong}


def measure(name: str, share: float, n_rows: int, specification: RunSpecification | None) -> None:
    """Print what is found in one table."""
    rng = np.random.default_rng(0)
    corpus = read(CASES[name], n_rows, rng)
    labels, wrong = plant(corpus.labels.to_list(), share, rng)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "planted.parquet"
        pl.DataFrame({"text": corpus.texts, "label": labels}).write_parquet(path)
        started = time.perf_counter()
        data = DataSettings(source=str(path), text=("text",), label="label")
        report = examine_labels(data, specification=specification)
        seconds = time.perf_counter() - started
    found = [doubted.row in wrong for doubted in report.doubted]
    said = f"{name}: {len(corpus):,} texts, {len(wrong):,} planted ({share:.0%}), {report.model}, {seconds:.1f} s"
    print(f"{said}\n  doubted {len(found):,}", end="")
    if wrong:
        for n in sorted({FIRST, len(wrong)}):
            print(
                f"; of the first {n:,} wrong {np.mean(found[:n]):.2f}, found {sum(found[:n]) / len(wrong):.2f}", end=""
            )
        print(f"; found in all {sum(found) / len(wrong):.2f}; at random {share:.2f}", end="")
    estimate = report.wrong_share
    assert estimate is not None
    low, high = estimate.interval
    print(f"\n  estimated share {estimate.share:.3f} ({low:.3f}–{high:.3f}, {estimate.n:,} labels)")


def main() -> None:
    """Measure the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--planted", type=float, nargs="*", default=[0.05])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--recipe", default=None)
    given = parser.parse_args()
    specification = None if given.recipe is None else load_recipe(given.recipe)
    for name in given.only:
        for share in given.planted:
            measure(name, share, given.rows, specification)


if __name__ == "__main__":
    main()
