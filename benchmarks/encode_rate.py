"""How fast and in how much memory a file becomes token ids: read, split, fit a word vocabulary, encode.

    python benchmarks/encode_rate.py ../shared/data/nsmc-train.tsv ../shared/data/imdb-train.parquet

Every repetition runs in a process of its own. Memory is the peak resident size less the size after the same stages on
100 rows, which leaves out what imports cost. It is given as a multiple of the file and, as files may be compressed, of
the texts it holds as UTF-8.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from machine import describe_machine

STAGES = ("read", "split", "fit", "encode")


def measure_once(path: Path, kind: str) -> dict[str, float]:
    """Return seconds per stage, bytes and counts, after a first run on a few rows that imports everything."""
    with tempfile.TemporaryDirectory() as folder:
        few_rows = Path(folder) / "few.csv"
        few_rows.write_text("text,label\n" + "".join(f"텍스트 word{i},{i % 2}\n" for i in range(100)))
        run_stages(few_rows, kind)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = _status_bytes("VmRSS")
    figures = run_stages(path, kind)
    return {**figures, "peak_bytes": _status_bytes("VmHWM") - before}


def run_stages(path: Path, kind: str) -> dict[str, float]:
    """Read, split, fit and encode; return the seconds of each and what came out."""
    from sulsul.corpora import DataSettings, SplitSettings, read_corpus, split_corpus
    from sulsul.text import TextSettings, Tokenizer

    marks = [time.perf_counter()]
    corpus = read_corpus(DataSettings(source=str(path)))
    marks.append(time.perf_counter())
    train = corpus.select(split_corpus(corpus, SplitSettings()).train)
    marks.append(time.perf_counter())
    tokenizer = Tokenizer.fit(train.texts, TextSettings(tokenizer=kind))
    marks.append(time.perf_counter())
    token_ids, _ = tokenizer.encode(corpus.texts)
    marks.append(time.perf_counter())
    seconds = {stage: end - start for stage, (start, end) in zip(STAGES, pairwise(marks), strict=True)}
    text_bytes = int(corpus.texts.str.len_bytes().sum())
    return {**seconds, "texts": len(corpus.texts), "tokens": token_ids.size, "text_bytes": text_bytes}


def _status_bytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{field}:"))) * 1024


def report(path: Path, kind: str, repetitions: int) -> None:
    """Print the medians for one file."""
    command = [sys.executable, __file__, "--once", "--tokenizer", kind, str(path)]
    runs = [json.loads(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(repetitions)]
    median = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    totals = [sum(run[stage] for stage in STAGES) for run in runs]
    seconds = "  ".join(f"{stage} {median[stage]:.2f}" for stage in STAGES)
    print(f"{path.name}: {median['texts']:,.0f} texts, {median['tokens']:,.0f} tokens, tokenizer {kind}")
    print(f"  seconds  {seconds}  total {statistics.median(totals):.2f} ({min(totals):.2f} to {max(totals):.2f})")
    peak, size, text = median["peak_bytes"], path.stat().st_size, median["text_bytes"]
    print(
        f"  memory   {peak / 1e6:.0f} MB = {peak / size:.1f} x the file ({size / 1e6:.1f} MB)"
        f" = {peak / text:.1f} x its texts ({text / 1e6:.1f} MB)"
    )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--tokenizer", default="word", choices=["word", "char", "subword", "morpheme"])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        print(json.dumps(measure_once(arguments.files[0], arguments.tokenizer)))
        return
    print(json.dumps(describe_machine(threads=len(os.sched_getaffinity(0)))))
    for path in arguments.files:
        report(path, arguments.tokenizer, arguments.repetitions)


if __name__ == "__main__":
    main()
