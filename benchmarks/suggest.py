"""What labelling suggested texts gains over labelling random ones, simulated where all labels are known.

A classifier is trained on a few labelled texts; so many more are labelled, chosen at random or by ``suggest``'s own
rules; the classifier is trained anew on both and judged on texts of its own. Every way of choosing starts from the same
texts.

Usage:

    python benchmarks/suggest.py [--data FILE --text COLUMN] [--model linear|default]
                                 [--start 500] [--more 500] [--seeds 5]
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from sulsul.corpora import Corpus, DataSettings, Splits, read_corpus
from sulsul.doctor.labels.out_of_fold import trained_without
from sulsul.evaluation.baselines import fit_linear_baseline
from sulsul.evaluation.logits import probabilities_of_logits
from sulsul.evaluation.uncertainty import uncertainty
from sulsul.recipes import load_recipe
from sulsul.suggestion import most_worthwhile
from sulsul.text import LabelEncoder
from sulsul.training import MembersListener

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
N_POOL, N_TEST = 20_000, 10_000
Rows = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.floating]


def linear(corpus: Corpus, labels: LabelEncoder, known: Rows, asked: Rows, seed: int) -> Probabilities:
    """Return probabilities of the asked rows by the tuned linear model on characters."""
    class_ids = labels.encode(corpus.labels)
    n_classes = len(labels.classes)
    texts = corpus.texts.gather(pl.Series(known))
    model = fit_linear_baseline(texts, class_ids[known], "char", n_classes=n_classes, seed=seed)
    logits = model.classifier.logits(corpus.texts.gather(pl.Series(asked)))
    return probabilities_of_logits(logits, multi_label=corpus.multi_label)


def default(corpus: Corpus, labels: LabelEncoder, known: Rows, asked: Rows, seed: int) -> Probabilities:
    """Return probabilities of the asked rows by what ``train`` does without settings; a tenth validates."""
    specification = load_recipe("default").with_overrides([f"training.seed={seed}", "training.threads=1"])
    n_held = len(known) // 10
    splits = Splits(known[n_held:], known[:n_held], asked, note="simulated")
    return trained_without(splits, corpus, labels, specification, MembersListener())


def by(measure: str, *, dense: bool) -> Callable[..., Rows]:
    """Return a way of choosing: the least decided texts."""

    def choose(corpus: Corpus, pool: Rows, probabilities: Probabilities, n: int, rng: np.random.Generator) -> Rows:
        del rng
        doubts = uncertainty(probabilities, measure, multi_label=corpus.multi_label)
        ranked = pool[np.argsort(-doubts, kind="stable")]
        if not dense:
            return ranked[:n]
        candidates = ranked[: 20 * n]
        texts = corpus.texts.gather(pl.Series(candidates)).to_list()
        kept, _ = most_worthwhile(texts, np.sort(doubts)[::-1][: 20 * n], n)
        return candidates[kept]

    return choose


def at_random(corpus: Corpus, pool: Rows, probabilities: Probabilities, n: int, rng: np.random.Generator) -> Rows:
    """Choose without looking."""
    del corpus, probabilities
    return rng.permutation(pool)[:n]


WAYS: dict[str, Callable[..., Rows]] = {
    "random": at_random,
    "margin": by("margin", dense=False),
    "entropy": by("entropy", dense=False),
    "suggest (margin, like others)": by("margin", dense=True),
}


def simulate(
    corpus: Corpus, model: Callable[..., Probabilities], n_start: int, n_more: int, seed: int
) -> dict[str, float]:
    """Return the accuracy after each way of choosing, and before."""
    rng = np.random.default_rng(seed)
    labels = LabelEncoder.fit(corpus.labels)
    class_ids = labels.encode(corpus.labels)
    order = rng.permutation(len(corpus))
    n_test = min(N_TEST, len(corpus) // 4)
    test, known, pool = order[:n_test], order[n_test : n_test + n_start], order[n_test + n_start :][:N_POOL]
    both = model(corpus, labels, known, np.concatenate([test, pool]), seed)
    accuracy = {"before": float((both[:n_test].argmax(axis=1) == class_ids[test]).mean())}
    for name, choose in WAYS.items():
        chosen = choose(corpus, pool, both[n_test:], n_more, np.random.default_rng(seed))
        more = rng.permutation(np.concatenate([known, chosen]))
        judged = model(corpus, labels, more, test, seed)
        accuracy[name] = float((judged.argmax(axis=1) == class_ids[test]).mean())
    return accuracy


def main() -> None:
    """Simulate and print mean accuracies, and the gain over random choice with its standard error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(SHARED / "nsmc-train.tsv"))
    parser.add_argument("--text", default="document")
    parser.add_argument("--label", default=None)
    parser.add_argument("--model", choices=["linear", "default"], default="linear")
    parser.add_argument("--start", type=int, default=500)
    parser.add_argument("--more", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    settings = DataSettings(source=given.data, text=tuple(given.text.split(",")), label=given.label)
    corpus = read_corpus(settings)
    model = linear if given.model == "linear" else default
    runs = [simulate(corpus, model, given.start, given.more, seed) for seed in range(given.seeds)]
    print(f"{given.model}, {given.start} labelled texts and {given.more} more, {given.seeds} seeds")
    for name in runs[0]:
        own = np.array([run[name] for run in runs])
        gains = own - np.array([run["random"] for run in runs])
        error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else float("nan")
        gain = "" if name in ("before", "random") else f"  gain over random {gains.mean():+.4f} ± {error:.4f}"
        print(f"  {name:34} accuracy {own.mean():.4f}{gain}")


if __name__ == "__main__":
    main()
