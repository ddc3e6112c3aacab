"""Time every check of the doctor on real data, and assert that our own recipe causes no false alarm there.

Usage:

    python benchmarks/doctor.py [--only NAME …]
"""

import argparse
import sys
import time
from pathlib import Path

from sulsul.doctor.check import Check
from sulsul.doctor.data.evidence import DataEvidence
from sulsul.doctor.registry import DATA_CHECKS, SETUP_CHECKS
from sulsul.doctor.setup.evidence import SetupEvidence
from sulsul.experiment import build_classifier
from sulsul.findings import Finding
from sulsul.preparation import prepare
from sulsul.recipes import load_recipe
from sulsul.report.environment import describe_machine

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
# File, settings, and the errors and warnings that are true of the data themselves.
CASES = {
    "seoul-120": ("seoul-120-text.csv", ("data.label=분류",), {"boilerplate", "class-imbalance", "near-duplicates"}),
    "imdb": ("imdb-train.parquet", (), {"boilerplate"}),
    "nsmc": ("nsmc-train.tsv", ('data.text=["document"]',), set()),
}
SHOWN_FROM_S = 0.1


def timed(check: "Check[object]", evidence: object) -> tuple[float, list[Finding]]:
    """Return how long a check took and what it found."""
    started = time.perf_counter()
    found = list(check.look(evidence))
    return time.perf_counter() - started, found


def examine(name: str) -> bool:
    """Print times and findings of one data set; return whether only what is expected was found."""
    file, settings, expected = CASES[name]
    specification = load_recipe("default").with_overrides((f'data.source="{SHARED / file}"', *settings))
    started = time.perf_counter()
    data = prepare(specification)
    print(f"\n{name}: {len(data.corpus):,} texts, read and encoded in {time.perf_counter() - started:.1f} s")
    rows = {split: part.rows for split, part in data.splits.items()}
    setup = SetupEvidence(specification, data, build_classifier(specification, data))
    about_data = DataEvidence(data.corpus, rows, specification.data, specification.split)
    seconds = {"quick": 0.0, "thorough": 0.0}
    alarms: set[str] = set()
    for checks, evidence in ((DATA_CHECKS, about_data), (SETUP_CHECKS, setup)):
        for check in checks:
            took, found = timed(check, evidence)
            seconds[check.cost] += took
            if took >= SHOWN_FROM_S:
                print(f"  {took:6.2f} s  {check.slug} ({check.cost})")
            for finding in found:
                print(f"            {finding.severity}: {finding.what}")
            alarms |= {finding.check for finding in found if finding.severity != "note"}
    print(f"  quick checks {seconds['quick']:.1f} s, thorough checks {seconds['thorough']:.1f} s")
    if alarms - expected:
        print(f"  unexpected: {', '.join(sorted(alarms - expected))}")
    return not alarms - expected


def main() -> None:
    """Examine the data sets asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=list(CASES), default=list(CASES))
    machine = describe_machine()
    print(f"{machine.cpu}, {machine.n_cores} cores")
    sound = [examine(name) for name in parser.parse_args().only]
    if not all(sound):
        sys.exit(1)


if __name__ == "__main__":
    main()
