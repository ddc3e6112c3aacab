"""Compare our default recipe with the baselines on real data and write docs/results.md as the commands printed it.

Finished trainings are kept in benchmarks/.cache/results, so that the command goes on where it was stopped. They do not
depend on the code: measure anew with --fresh after changing it. Usage:

    python benchmarks/results.py [--data imdb=PATH] [--data nsmc=PATH] [--only NAME …] [--fresh]
"""

import argparse
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from comparison_run import run_comparison
from marked_page import write_between
from sulsul.report.environment import describe_machine, package_versions

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "benchmarks" / ".cache" / "results"
PAGE = ROOT / "docs" / "results.md"
SHARED = ROOT.parent / "shared" / "data"
DEFAULT_DATA = {
    "seoul-120": SHARED / "seoul-120-text.csv",
    "nsmc": SHARED / "nsmc-train.tsv",
    "imdb": SHARED / "imdb-train.parquet",
}
START, END = "<!-- tables: written by benchmarks/results.py -->", "<!-- end of tables -->"
MODELS = "--models=whole,base"
TENTH = ("--set=split.test=0.1", "--set=split.validation=0.1")
SEOUL = ("--text=제목,내용", "--label=분류", MODELS, "--folds=5", "--seeds=1")


@dataclass(frozen=True)
class Result:
    """One comparison of the page."""

    name: str
    title: str
    data: str
    arguments: tuple[str, ...]


RESULTS = (
    Result(
        "seoul-3", "Seoul 120, the notebooks' three classes", "seoul-120", (*SEOUL, "--keep-classes=행정,경제,복지")
    ),
    Result("seoul-10", "Seoul 120, all ten classes", "seoul-120", SEOUL),
    Result("nsmc", "NSMC, nine tenths of what is published as training data", "nsmc", (MODELS, "--seeds=1", *TENTH)),
    Result(
        "imdb",
        "IMDB, the training half: a fifth judges",
        "imdb",
        (MODELS, "--seeds=1", "--set=split.test=0.2", "--set=split.validation=0.1"),
    ),
)


def run(result: Result, source: Path, *, fresh: bool) -> str:
    """Run a comparison, or what is left of it, and return what it printed."""
    print(f"\n{result.title}", flush=True)
    printed = run_comparison(source, result.arguments, CACHE / result.name, fresh=fresh)
    kept = [line.rstrip() for line in printed.splitlines() if not line.startswith(("table: ", "report: "))]
    return "\n".join(kept).strip("\n")


def section(result: Result, source: Path, printed: str) -> list[str]:
    """Return the part of the page for one comparison."""
    command = shlex.join(["sulsul", "compare", source.name])
    # Quoted only where a shell needs it: shlex would quote Hangul too.
    command = " ".join([command, *result.arguments])
    return [f"## {result.title}", "", "```console", f"$ {command}", printed, "```", ""]


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--only", nargs="*", metavar="NAME", choices=[result.name for result in RESULTS])
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    arguments = parser.parse_args()
    data = DEFAULT_DATA | {name: Path(path) for name, path in (item.split("=", 1) for item in arguments.data)}
    wanted = [result for result in RESULTS if arguments.only is None or result.name in arguments.only]
    lines = []
    for result in wanted:
        lines += section(result, data[result.data], run(result, data[result.data], fresh=arguments.fresh))
    if arguments.only is not None:
        return
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    machine, versions = describe_machine(), package_versions()
    lines.append(
        f"Measured on {machine.cpu}, {machine.n_cores} cores; sulsul {versions['sulsul']} at "
        f"{commit.stdout.strip()}, torch {versions['torch']}."
    )
    write_between(PAGE, START, END, "\n".join(["", *lines, ""]))


if __name__ == "__main__":
    main()
