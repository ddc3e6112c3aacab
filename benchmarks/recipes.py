"""Run every recipe over several seeds and write docs/recipes.md: theirs beside ours.

Finished runs are kept in benchmarks/.cache/recipes, keyed by recipe, seed and specification, so that the command goes
on where it was stopped. Usage:

    python benchmarks/recipes.py [--data imdb=PATH] [--data seoul-120=PATH] [--seeds 3] [--only NAME …]
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from marked_page import write_between
from sulsul.errors import TrainingError
from sulsul.evaluation import wilson_interval
from sulsul.experiment import Listener, Outcome, run_experiment
from sulsul.files import write_text_atomically
from sulsul.recipes import load_recipe, recipe_names
from sulsul.recipes.registry import OURS
from sulsul.report.environment import describe_machine, package_versions
from sulsul.specification import Notebook, RunSpecification

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "benchmarks" / ".cache" / "recipes"
PAGE = ROOT / "docs" / "recipes.md"
SHARED = ROOT.parent / "shared" / "data"
DEFAULT_DATA = {"imdb": SHARED / "imdb-train.parquet", "seoul-120": SHARED / "seoul-120-text.csv"}
START, END = "<!-- table: written by benchmarks/recipes.py -->", "<!-- end of table -->"


def with_data(specification: RunSpecification, source: Path, seed: int) -> RunSpecification:
    """Return the recipe on this file with this seed."""
    data = specification.data.model_copy(update={"source": str(source)})
    training = specification.training.model_copy(update={"seed": seed})
    return specification.model_copy(update={"data": data, "training": training})


def run_once(specification: RunSpecification) -> dict[str, Any]:
    """Run one specification, or read what it gave before."""
    key = hashlib.sha256(specification.model_dump_json(exclude={"description", "notebook"}).encode()).hexdigest()[:16]
    path = CACHE / f"{specification.name}-{specification.training.seed}-{key}.json"
    if path.exists():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory() as folder:
        outcome = train(specification, Path(folder))
    result = {"diverged": outcome} if isinstance(outcome, str) else figures(outcome)
    CACHE.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, json.dumps(result))
    return result


def train(specification: RunSpecification, folder: Path) -> Outcome | str:
    """Run one specification; a loss that is no number is a result too, and is returned as its message."""
    try:
        return run_experiment(
            specification,
            folder / "run",
            command="benchmarks/recipes.py",
            baselines=False,
            listener=Listener(on_epoch=lambda record: print(f"  {record.epoch} {record.loss:.4f} {record.val_loss}")),
        )
    except TrainingError as error:
        return str(error)


def figures(outcome: Outcome) -> dict[str, Any]:
    """Return what the table needs of a run."""
    record = outcome.record
    assert record.headline is not None
    assert record.training is not None
    assert record.model is not None
    seconds = [row.seconds for row in record.training.history if row.seconds is not None]
    return {
        "split": record.headline_split,
        "n": record.headline.n,
        "accuracy": record.headline.accuracy,
        "loss": record.headline.loss,
        "collapsed": record.headline.collapsed,
        "majority": record.headline.majority_accuracy,
        "epochs": len(record.training.history),
        "seconds_per_epoch": statistics.median(seconds),
        "parameters": record.model.n_parameters,
        "backend": record.model.backend,
    }


def theirs(notebook: Notebook | None) -> str:
    """Return what the notebook reported, in one cell."""
    if notebook is None:
        return "–"
    accuracy = notebook.test_accuracy if notebook.test_accuracy is not None else notebook.val_accuracy
    parts = [
        "" if accuracy is None else f"{accuracy:g}",
        "" if notebook.val_loss is None else f"loss {notebook.val_loss:g}",
        "" if notebook.epochs is None else f"{notebook.epochs} epochs",
        "" if notebook.seconds_per_epoch is None else f"{notebook.seconds_per_epoch:g} s/epoch",
    ]
    return ", ".join(part for part in parts if part) or "not given"


def row(name: str, notebook: Notebook | None, results: list[dict[str, Any]]) -> str:
    """Return one line of the table."""
    n_diverged = sum("diverged" in result for result in results)
    results = [result for result in results if "diverged" not in result]
    if not results:
        return f"| `{name}` | | {theirs(notebook)} | diverged in all {n_diverged} runs | | | | | |"
    accuracies = [result["accuracy"] for result in results]
    mean = statistics.fmean(accuracies)
    n = results[0]["n"]
    low, high = wilson_interval(round(mean * n), n)
    epochs = sorted(result["epochs"] for result in results)
    seconds = statistics.median(result["seconds_per_epoch"] for result in results)
    spread = f"{min(accuracies):.3f}–{max(accuracies):.3f}"
    spread += f"; {n_diverged} diverged" if n_diverged else ""
    shown_epochs = f"{epochs[0]}–{epochs[-1]}" if epochs[0] != epochs[-1] else str(epochs[0])
    loss = statistics.fmean(result["loss"] for result in results)
    return (
        f"| `{name}` | {results[0]['parameters']:,} | {theirs(notebook)} | **{mean:.3f}** ({spread}) | "
        f"{low:.3f}–{high:.3f} | {loss:.4f} "
        f"| {results[0]['split']}, {n:,} | {shown_epochs} | {seconds:.2f} |"
    )


def table(names: list[str], data: dict[str, Path], seeds: int) -> list[str]:
    """Run what was not run yet and return the table."""
    lines = [
        "| recipe | parameters | theirs | our accuracy (range over seeds) | 95 % interval | loss | split, texts "
        "| epochs | s/epoch |",
        "| --- | ---: | --- | --- | --- | ---: | --- | ---: | ---: |",
    ]
    for name in names:
        recipe = load_recipe(name)
        assert recipe.data.source is not None
        results = []
        for seed in range(seeds):
            print(f"{name}, seed {seed}", flush=True)
            results.append(run_once(with_data(recipe, data[recipe.data.source], seed)))
        lines.append(row(name, recipe.notebook, results))
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    data = DEFAULT_DATA | {name: Path(path) for name, path in (item.split("=", 1) for item in arguments.data)}
    names = arguments.only or [name for name in recipe_names() if name not in OURS]
    lines = table(names, data, arguments.seeds)
    if arguments.only:
        return
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    machine, versions = describe_machine(), package_versions()
    lines += [
        "",
        f"{arguments.seeds} seeds; {machine.cpu}, {machine.n_cores} cores; sulsul {versions['sulsul']} at "
        f"{commit.stdout.strip()}, torch {versions['torch']}.",
    ]
    write_between(PAGE, START, END, "\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
