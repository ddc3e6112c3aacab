"""How small a trained classifier can be: bytes, accuracy and speed of a run and of smaller copies.

Usage:

    python benchmarks/shrink.py RUN [--sizes 8MB 4MB 2MB 1MB] [--data DATA]

The run is one that ``sulsul train`` left; its data must be readable. Scores are those of its validation and test rows.
Speed is that of `predict` on those texts, tokenizer included, on as many threads as OMP_NUM_THREADS says.
"""

import argparse
import tempfile
import time
from pathlib import Path

from sulsul.cli.shrink import parse_size
from sulsul.doctor.sources import prepare_again
from sulsul.predictor import Predictor
from sulsul.shrinking import Scores, shrink_run, size_of

REPEATS = 3


def docs_per_s(folder: Path, texts: list[str]) -> float:
    """Return the best of some measurements."""
    predictor = Predictor.load(folder)
    predictor.probabilities(texts[:100])
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        predictor.probabilities(texts)
        seconds.append(time.perf_counter() - started)
    return len(texts) / min(seconds)


def shown(scores: tuple[Scores, ...], *, after: bool) -> str:
    """Return accuracy with its interval, of every split."""
    parts = []
    for score in scores:
        evaluation = score.after if after else score.before
        low, high = evaluation.accuracy_interval
        parts.append(f"{score.split} {evaluation.accuracy:.4f} ({low:.4f}–{high:.4f})")
    return ", ".join(parts)


def main() -> None:
    """Shrink one run to several sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--sizes", nargs="*", default=["8MB", "4MB", "2MB", "1MB"])
    parser.add_argument("--data", default=None)
    given = parser.parse_args()
    bundle = Predictor.load(given.run).bundle
    data = prepare_again(bundle)
    texts = [text for name in ("validation", "test") if name in data.splits for text in data.texts(name).to_list()]
    first = True
    for size in [None, *given.sizes]:
        with tempfile.TemporaryDirectory() as folder:
            small = Path(folder) / "small"
            done = shrink_run(
                given.run, small, size_bytes=None if size is None else parse_size(size), source=given.data
            )
            if first:
                rate = docs_per_s(given.run, texts)
                print(f"as trained  {size_of(given.run):>12,} bytes, {done.rows_before:,} rows, {rate:,.0f} docs/s")
                print(f"            {shown(done.scores, after=False)}")
                first = False
            rate = docs_per_s(small, texts)
            print(f"{size or '8 bits':10}  {done.size_after:>12,} bytes, {done.rows_after:,} rows, {rate:,.0f} docs/s")
            print(f"            {shown(done.scores, after=True)}", flush=True)


if __name__ == "__main__":
    main()
