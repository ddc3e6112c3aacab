"""A corpus larger than the memory allowed for it: generated, and trained on in a process whose peak is measured.

    python -m benchmarks.large_corpus --gigabytes 5 --folder /tmp/large --steps 300

writes a CSV of that size (the same bytes for the same size), trains the default classifier on it as ``sulsul train``
with streaming does, for so many steps or else for an epoch and all that follows, and prints the seconds of every stage
and the most memory that was resident up to its end. The file, the cache and the run are removed afterwards, unless one
``--only`` stage is asked for: then they stay for the next. Give the folder room for three times the size.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

_SYLLABLES = [
    c + v + e for c in "bdfgklmnprstvz" for v in ("a", "e", "i", "o", "u", "ea") for e in ("", "n", "r", "st")
]
_N_WORDS, _EXPONENT, _OFFSET = 1_000_000, 1.05, 2.7
_CLASSES = ("billing", "delivery", "quality", "returns")
_BLOCK_TEXTS = 4096


def vocabulary() -> np.ndarray:
    """Return a million different pronounceable words, the frequent ones short."""
    n = len(_SYLLABLES)
    words = [*_SYLLABLES]
    for rank in range(_N_WORDS - n):
        number, syllables = rank, []
        while True:
            syllables.append(_SYLLABLES[number % n])
            number //= n
            if not number:
                break
        words.append("".join([*syllables, _SYLLABLES[rank * 7919 % n]]))
    return np.array(words, dtype=object)


def blocks(seed: int = 0) -> Iterator[bytes]:
    """Yield CSV rows for ever: Zipf-Mandelbrot words (Mandelbrot, 1953), log-normal lengths, classes told by words."""
    words = vocabulary()
    weights = (np.arange(1, _N_WORDS + 1) + _OFFSET) ** -_EXPONENT
    bounds = np.cumsum(weights / weights.sum())
    rng, row = np.random.default_rng(seed), 0
    while True:
        lengths = np.clip(rng.lognormal(4.3, 0.7, _BLOCK_TEXTS), 4, 900).astype(int)
        labels = rng.integers(len(_CLASSES), size=_BLOCK_TEXTS)
        ids = np.minimum(np.searchsorted(bounds, rng.random(lengths.sum())), _N_WORDS - 1)
        ends = np.cumsum(lengths)
        # Two words in a text tell its class, nine times in ten.
        told = rng.random(_BLOCK_TEXTS) < 0.9
        for _ in range(2):
            place = ends - 1 - (rng.random(_BLOCK_TEXTS) * lengths).astype(int)
            ids[place[told]] = 2000 + 50 * labels[told] + rng.integers(50, size=told.sum())
        flat = words[ids].tolist()
        lines = []
        for begin, end, label in zip((ends - lengths).tolist(), ends.tolist(), labels.tolist(), strict=True):
            row += 1
            cut = begin + (end - begin) // 2
            text = f"{' '.join(flat[begin:cut])}, {' '.join(flat[cut:end])}."
            lines.append(f'{row},"{text}",{_CLASSES[label]}\n')
        yield "".join(lines).encode()


def write_csv(path: Path, size_bytes: int) -> int:
    """Write rows until the file has the size; return how many."""
    n_rows = 0
    with path.open("wb") as file:
        file.write(b"id,text,label\n")
        for block in blocks():
            file.write(block)
            n_rows += _BLOCK_TEXTS
            if file.tell() >= size_bytes:
                return n_rows
    return n_rows


def run_child(
    source: Path, folder: Path, only: str | None, steps: int | None, settings: list[str]
) -> dict[str, object]:
    """Prepare or train in a process of its own; return its stages and its resident peak."""
    command = [sys.executable, "-m", "benchmarks.large_corpus", "--child", "--folder", str(folder)]
    command += [] if only is None else ["--only", only]
    command += [] if steps is None else ["--steps", str(steps)]
    for setting in settings:
        command += ["--set", setting]
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    stages = []
    for line in child.stdout:
        print(line, end="", flush=True)
        if line.startswith("{"):
            stages.append(json.loads(line))
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"the child for {source} ended with {child.returncode}")
    seconds = round(time.perf_counter() - started, 1)
    return {"stages": stages, "seconds": seconds, "peak_mb": usage.ru_maxrss * 1024 // 10**6}


def child(source: Path, folder: Path, only: str | None, steps: int | None, settings: list[str]) -> None:
    """Do the work, and print a line of JSON at the end of every stage."""
    from sulsul.errors import InterruptedRunError
    from sulsul.experiment import Listener, run_experiment
    from sulsul.recipes import load_recipe
    from sulsul.streamed import prepare_run
    from sulsul.training.run import BatchReport

    specification = load_recipe("default").with_overrides(settings)
    data = {"source": str(source), "text": ("text",), "label": "label", "streaming": True}
    specification = specification.model_copy(update={"data": specification.data.model_copy(update=data)})
    started = time.perf_counter()

    def say(what: str) -> None:
        seconds = round(time.perf_counter() - started, 1)
        print(json.dumps({"after": what, "s": seconds, "peak_mb": _peak_mb()}), flush=True)

    say("imports")
    if only == "prepare":
        prepare_run(specification, cache=folder / "cache", report=say)
        say("prepared")
        return
    n_steps = 0

    def on_batch(report: BatchReport) -> None:
        nonlocal n_steps
        n_steps = report.batch

    listener = Listener(
        on_stage=say,
        on_prepared=lambda *_: say("prepared"),
        on_findings=lambda _: say("doctor"),
        on_batch=on_batch,
        on_epoch=lambda record: say(f"epoch: val_accuracy {record.val_accuracy}"),
        on_baselines=lambda: say("judged"),
        stop_requested=lambda: steps is not None and n_steps >= steps,
    )
    try:
        outcome = run_experiment(
            specification, folder / "run", command="benchmarks.large_corpus", cache=folder / "cache", listener=listener
        )
        say(f"whole run, test accuracy {outcome.record.evaluations['test'].accuracy:.4f}")
    except InterruptedRunError:
        say(f"{n_steps} steps")


def cached_bytes(folder: Path) -> int:
    """Return the size of the files in a folder."""
    return sum(file.stat().st_size for file in folder.iterdir())


def _peak_mb() -> int:
    """Return the most memory that was resident in this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 10**6


def main() -> None:
    """Generate, train, print, remove."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--only", choices=["generate", "prepare", "train"], help="this stage only; keep everything")
    parser.add_argument("--steps", type=int, help="stop training after so many steps")
    parser.add_argument("--set", action="append", dest="settings", default=[], metavar="KEY=VALUE")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    source = folder / "large.csv"
    settings = ["training.epochs=1", *arguments.settings]
    if arguments.child:
        child(source, folder, arguments.only, arguments.steps, arguments.settings)
        return
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < 3 * arguments.gigabytes * 1e9:
        raise SystemExit(f"{folder} has less room than three times {arguments.gigabytes} GB")
    try:
        started = time.perf_counter()
        if not source.exists():
            n_rows = write_csv(source, int(arguments.gigabytes * 1e9))
            print(f"{n_rows:,} rows written in {time.perf_counter() - started:.1f} s", flush=True)
        if arguments.only == "generate":
            return
        result = run_child(source, folder, arguments.only, arguments.steps, settings)
        cached = {path.name: cached_bytes(path) for path in (folder / "cache/corpora").iterdir() if path.is_dir()}
        result |= {"source_mb": source.stat().st_size // 10**6, "settings": settings}
        result |= {"cache_mb": {name: size // 10**6 for name, size in cached.items()}}
        print(json.dumps(result, indent=1))
    finally:
        if arguments.only is None:
            for leftover in (folder / "cache", folder / "run"):
                shutil.rmtree(leftover, ignore_errors=True)
            source.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
