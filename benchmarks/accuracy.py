"""The study behind the default recipe: what each part of its answer is worth, alone and blended.

The texts that judge are a fold of Seoul 120, or a tenth of NSMC and a fifth of IMDB, all of what is published as
training data. Of the others a tenth is held back, on which blends are fitted. Logits are kept in
benchmarks/.cache/accuracy, so that the command goes on where it was stopped; it writes the table of docs/accuracy.md
from all that is there. Usage:

    python benchmarks/accuracy.py [DATA …] [--folds 0 1 …] [--networks 5] [--threads 1] [--fresh] [--table]
"""

import argparse
import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from marked_page import write_between
from sulsul.choices import settle
from sulsul.comparison.design import Design, read_design
from sulsul.evaluation.baselines import fit_linear_baseline, fit_linear_part
from sulsul.evaluation.blending import Blend, fit_blend
from sulsul.evaluation.ngrams import Unit
from sulsul.fitting import build_classifier
from sulsul.inference import predict_logits
from sulsul.preparation import PreparedData
from sulsul.recipes import load_recipe
from sulsul.report.record import Split
from sulsul.specification import RunSpecification
from sulsul.training import train_classifier

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "benchmarks" / ".cache" / "accuracy"
PAGE = ROOT / "docs" / "accuracy.md"
SHARED = ROOT.parent / "shared" / "data"
START, END = "<!-- table: written by benchmarks/accuracy.py -->", "<!-- end of table -->"

SEOUL = (f"data.source={SHARED / 'seoul-120-text.csv'}", 'data.text=["제목","내용"]', "data.label=분류")
DATA: dict[str, tuple[str, tuple[str, ...], int | None]] = {
    "seoul-3": ("Seoul, 3 classes", (*SEOUL, 'data.keep_classes=["행정","경제","복지"]'), 5),
    "seoul-10": ("Seoul, 10 classes", SEOUL, 5),
    "nsmc": ("NSMC", (f"data.source={SHARED / 'nsmc-train.tsv'}", 'data.text=["document"]', "data.label=label"), None),
    "imdb": ("IMDB", (f"data.source={SHARED / 'imdb-train.parquet'}", "data.label=label", "split.test=0.2"), None),
}
Logits = npt.NDArray[np.float64]
JUDGED: tuple[Split, Split] = ("validation", "test")


def linear(unit: Unit, *, by_ratio: bool, first_line: bool = False) -> Callable[[PreparedData], dict[Split, Logits]]:
    """Return how a linear model's logits of the judged splits are made."""

    def fit(data: PreparedData) -> dict[Split, Logits]:
        texts, class_ids, n_classes = data.texts("train"), data.train.encoded.class_ids, len(data.labels.classes)
        assert class_ids is not None
        model = (
            fit_linear_part(texts, class_ids, unit, n_classes=n_classes, first_line=first_line)
            if by_ratio
            else fit_linear_baseline(texts, class_ids, unit, n_classes=n_classes)
        )
        return {name: model.classifier.logits(data.texts(name)) for name in JUDGED}

    return fit


LINEAR = {
    "words 1–2": linear("word", by_ratio=False),
    "words 1–3, by log-count ratios": linear("word", by_ratio=True),
    "characters 1–4": linear("char", by_ratio=False),
    "characters 1–4, by log-count ratios": linear("char", by_ratio=True),
    "… and first lines by themselves": linear("char", by_ratio=True, first_line=True),
    "Hangul letters 1–5, by log-count ratios (and first lines)": linear("jamo", by_ratio=True, first_line=True),
}
LAST = {"imdb": "words 1–3, by log-count ratios"}
"""The linear model that is blended, where it is not the last: what the default chooses."""
KOREAN_ONLY, TITLED_ONLY = list(LINEAR)[-1], list(LINEAR)[-2]


def network(specification: RunSpecification, data: PreparedData) -> dict[Split, Logits]:
    """Train one network without looking at a judged split and return its logits of both."""
    classifier = build_classifier(specification, data)
    train_classifier(classifier, data.train.encoded, None, specification.training, classes=data.labels.classes)
    return {name: predict_logits(classifier, data.splits[name].encoded).astype(np.float64) for name in JUDGED}


def measure(name: str, design: Design, specification: RunSpecification, fold: int, n_networks: int) -> None:
    """Fit what is not in the cache yet."""
    path = CACHE / f"{name}-{fold}.npz"
    kept = dict(np.load(path)) if path.exists() else {}
    data = design.prepare(specification, fold)
    kept |= {f"truth {split}": np.asarray(data.splits[split].encoded.class_ids) for split in JUDGED}
    settled, _ = settle(specification, data.facts)
    seeds = range(n_networks)
    fits: dict[str, Callable[[PreparedData], dict[Split, Logits]]] = dict(LINEAR)
    if name in ("nsmc", "imdb"):
        del fits[TITLED_ONLY]
    if name == "nsmc":  # has no titles: every text is its own first line
        fits[KOREAN_ONLY] = linear("jamo", by_ratio=True)
    if name == "imdb":
        del fits[KOREAN_ONLY]
    for seed in seeds:
        of_seed = settled.with_overrides([f"training.seed={seed}"])
        fits[f"network {seed}"] = lambda data, of_seed=of_seed: network(of_seed, data)  # type: ignore[misc]
    for part, fit in fits.items():
        if f"{part} test" in kept:
            continue
        started = time.perf_counter()
        logits = fit(data)
        kept |= {f"{part} {split}": values for split, values in logits.items()}
        accuracy = accuracy_of(logits["test"], kept["truth test"])
        print(f"{name} fold {fold} {part}: {accuracy:.4f}, {time.perf_counter() - started:.0f} s", flush=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            np.savez(file, **kept)


def accuracy_of(logits: Logits, truth: npt.NDArray[np.int64]) -> float:
    """Return the share of right answers of logits (B, C), or log-odds (B, 1)."""
    answers = logits.argmax(axis=1) if logits.shape[1] > 1 else (logits[:, 0] > 0).astype(np.int64)
    return float((answers == truth).mean())


def rows_of_fold(name: str, kept: dict[str, Logits]) -> Iterator[tuple[str, float]]:
    """Yield what each row of the table says of a fold."""
    truth, held_out = kept["truth test"], kept["truth validation"]
    for part in LINEAR:
        if f"{part} test" in kept:
            yield part, accuracy_of(kept[f"{part} test"], truth)
    parts = [key.removesuffix(" test") for key in kept if key.startswith("network") and key.endswith(" test")]
    beside = LAST.get(name, KOREAN_ONLY)
    for n in sorted({1, 3, len(parts)}):
        scores: dict[str, list[float]] = {"alone": [], "blended": [], "equal": []}
        for chosen in itertools.combinations(parts, n):
            judged, before = (np.mean([kept[f"{part} {split}"] for part in chosen], axis=0) for split in JUDGED[::-1])
            blend = fit_blend(before, kept[f"{beside} validation"], held_out, temperature=True)
            scores["alone"].append(accuracy_of(judged, truth))
            scores["blended"].append(accuracy_of(blend.combine(judged, kept[f"{beside} test"]), truth))
            equal = Blend(linear_weight=0.5)
            scores["equal"].append(accuracy_of(equal.combine(judged, kept[f"{beside} test"]), truth))
        networks = "one network" if n == 1 else f"{n} networks, averaged"
        yield networks, float(np.mean(scores["alone"]))
        yield f"{networks}, blended with the linear model", float(np.mean(scores["blended"]))
        yield f"{networks}, equal weights", float(np.mean(scores["equal"]))


def table() -> str:
    """Return the table of everything that is in the cache."""
    columns: dict[str, dict[str, str]] = {}
    for name, (title, _, _) in DATA.items():
        folds = [dict(np.load(path)) for path in sorted(CACHE.glob(f"{name}-?.npz"))]
        if not folds:
            continue
        found: dict[str, list[float]] = {}
        for kept in folds:
            for row, score in rows_of_fold(name, kept):
                found.setdefault(row, []).append(score)
        heading = f"{title} ({len(folds)} folds)" if len(folds) > 1 else title
        columns[heading] = {row: f"{np.mean(scores):.3f}" for row, scores in found.items()}
    rows = list(dict.fromkeys(row for column in columns.values() for row in column))
    lines = [f"| | {' | '.join(columns)} |", "| --- " * (1 + len(columns)) + "|"]
    lines += [f"| {row} | {' | '.join(column.get(row, '') for column in columns.values())} |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    """Measure what was asked for and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", metavar="DATA", help=", ".join(DATA))
    parser.add_argument("--folds", type=int, nargs="*")
    parser.add_argument("--networks", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--table", action="store_true", help="measure nothing, only write the table again")
    given = parser.parse_args()
    if unknown := set(given.data) - set(DATA):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if given.fresh:
        shutil.rmtree(CACHE, ignore_errors=True)
    for name in [] if given.table else given.data or DATA:
        _, settings, n_folds = DATA[name]
        specification = load_recipe("default").with_overrides([*settings, f"training.threads={given.threads}"])
        design = read_design(specification, folds=n_folds)
        for fold in range(len(design.splits)):
            if given.folds is None or fold in given.folds:
                measure(name, design, specification, fold, given.networks)
    written = table()
    print(written)
    write_between(PAGE, START, END, f"\n{written}\n")


if __name__ == "__main__":
    main()
