"""Train and predict with 1, 2 and 8 threads, and predict in other orders and batches: the bytes must be the same.

    python benchmarks/same_bytes.py --trials 10

A trial draws settings as `kill.py` does, but of sizes at which the threads share the work, trains once with each number
of threads, and compares weights, tokenizer and history (but for its seconds). Then 1,000 texts are classified with each
number of threads, in random orders and cut into random pieces: every text must have the same probabilities, to the bit.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import kill

_THREADS = (1, 2, 8)
_N_TEXTS, _ORDERS = 1000, 5


def texts(draw: random.Random, n: int) -> list[str]:
    """Return texts of 0 to 80 words."""
    words = [f"{stem}{k}" for stem in ("좋았", "나빴", "문의", "kind", "rude", "설명") for k in range(30)]
    return [" ".join(draw.choices(words, k=draw.randrange(80))) for _ in range(n)]


def write_corpus(path: Path, draw: random.Random) -> None:
    """Write 400 texts of two classes."""
    rows = [f"{text} {k},{'ab'[k % 2]}\n" for k, text in enumerate(texts(draw, 400))]
    path.write_text("text,label\n" + "".join(rows), encoding="utf-8")


def draw_trial(draw: random.Random) -> kill.Trial:
    """Choose settings at random, of layers large enough to be shared."""
    trial = kill.draw_trial(draw, as_process=False)
    layers = trial.settings["model.layers"]
    for small, large in (("=3,", "=40,"), ("=8,", "=64,"), ("=17,", "=130,")):
        layers = layers.replace(f"units{small}", f"units{large}")
    changed = {
        "model.layers": layers,
        "training.backend": "native",
        "training.batch_size": "64",
        "training.epochs": "2",
    }
    return replace(trial, settings={**trial.settings, **changed}, checkpoint_interval_s=300.0)


def differing_files(trial: kill.Trial, corpus: Path, folder: Path) -> list[str]:
    """Train with every number of threads and return what is not the same as with the first."""
    results = []
    for n in _THREADS:
        one = replace(trial, settings={**trial.settings, "training.threads": str(n)})
        target = folder / f"threads-{n}"
        code = one.run(one.arguments(corpus, target, resume=False), folder / "log", kill.Progress(), None)
        if code:
            raise SystemExit(f"a run ended with {code}:\n{(folder / 'log').read_text(encoding='utf-8')}")
        results.append(kill.result_of(target))
    return [name for name in results[0] for other in results[1:] if other[name] != results[0][name]]


def differing_answers(run: Path, draw: random.Random) -> tuple[int, int]:
    """Return how many answers were compared, and how many differ in a bit."""
    from sulsul import Predictor
    from sulsul.kernels import native

    predictor, given = Predictor.load(run, backend="native"), texts(draw, _N_TEXTS)
    native.set_thread_count(1)
    expected = predictor.probabilities(given)
    compared = differing = 0
    for n in _THREADS:
        native.set_thread_count(n)
        for _ in range(_ORDERS):
            order = np.array(draw.sample(range(_N_TEXTS), _N_TEXTS))
            cuts = sorted(draw.sample(range(1, _N_TEXTS), draw.choice((0, 1, 9, 99))))
            pieces = [predictor.probabilities([given[i] for i in part]) for part in np.split(order, cuts)]
            found = np.concatenate(pieces)
            compared += _N_TEXTS
            differing += int((found.view(np.uint8) != expected[order].view(np.uint8)).any(axis=1).sum())
    return compared, differing


def main() -> int:
    """Compare as often as asked; exit code 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no training after so long")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    draw, started, compared, differing = random.Random(options.seed), time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory(prefix="sulsul-same-") as name:
        corpus = Path(name) / "corpus.csv"
        write_corpus(corpus, draw)
        kill.import_as_a_run_does(corpus, Path(name))
        trained: list[Path] = []
        # Forked runs first: a child of a process whose kernels have threads would begin with those.
        while len(trained) < options.trials and time.monotonic() - started < options.seconds:
            trial, folder = draw_trial(draw), Path(name) / str(len(trained))
            folder.mkdir()
            if lost := differing_files(trial, corpus, folder):
                print(f"DIFFERENT in trial {len(trained)} {trial}: {', '.join(lost)}")
                return 1
            trained.append(folder / f"threads-{_THREADS[0]}")
            print(f"trial {len(trained)}: the same bytes", file=sys.stderr, flush=True)
        for run in trained:
            counts = differing_answers(run, draw)
            compared, differing = compared + counts[0], differing + counts[1]
    threads, seconds = ", ".join(map(str, _THREADS)), time.monotonic() - started
    print(
        f"{len(trained)} settings trained with {threads} threads: the same bytes; {compared:,} answers with {threads} "
        f"threads in random orders and batches: {differing} differ ({seconds:.0f} s, seed {options.seed})"
    )
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
