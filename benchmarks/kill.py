"""Kill trainings with SIGKILL, resume them, and compare what they leave with runs that were never interrupted.

    python benchmarks/kill.py --kills 200

A trial draws settings (optimizer, cell, dropout, buckets, schedule, tokenizer, backend …), runs `sulsul train` once
undisturbed, and once more with kills: at a random time, at a random training step, or in the middle of a random file
operation (half of the bytes written, before or after the rename …). After each kill the same command goes on with
`--resume`. In the end weights, tokenizer and history must have the same bytes, but for the history's seconds.

Runs are forked from a process that has imported the libraries; `--processes N` makes the first N trials start
`python -m sulsul` anew every time, with kills at random times only.
"""

import argparse
import csv
import importlib
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOMENTS = ("time", "step", "file operation")
_KILLED = -signal.SIGKILL
_SAME_BYTES = ("model.safetensors", "tokenizer.json")
_MOST_KILLS = 12


@dataclass
class Progress:
    """What a child counts, and at which count it dies; None: never."""

    counts: Counter[str] = field(default_factory=Counter)
    dies_in: str | None = None
    dies_at: int = 0

    def reaches(self, moment: str) -> bool:
        """Count once more and return whether this is where the child dies."""
        self.counts[moment] += 1
        return moment == self.dies_in and self.counts[moment] == self.dies_at


def die() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def instrument(progress: Progress, checkpoint_interval_s: float) -> None:
    """Count steps and file operations of this process, and die where ``progress`` says.

    With an interval of 0 a checkpoint is saved after every step; otherwise steps are taken several at a time.
    """
    from sulsul.training.loop import train_classifier
    from sulsul.training.run import Run

    train_classifier.__kwdefaults__["checkpoint_interval_s"] = checkpoint_interval_s
    if not checkpoint_interval_s:
        train_classifier.__kwdefaults__["poll_interval_s"] = 0.0
    end_steps, fdopen = Run.end_steps, os.fdopen

    def counted_end_steps(self: Run, *arguments: Any) -> None:
        if progress.reaches("step"):
            die()
        end_steps(self, *arguments)

    def counted_fdopen(*arguments: Any) -> Any:
        file = fdopen(*arguments)
        if arguments[1:] != ("wb",):
            return file
        write = file.write

        def half_write(content: bytes) -> int:
            if progress.reaches("file operation"):
                write(content[: len(content) // 2])
                file.flush()
                die()
            return int(write(content))

        file.write = half_write
        return file

    Run.end_steps = counted_end_steps  # type: ignore[method-assign]
    os.fdopen = counted_fdopen
    os.fsync = _counted(os.fsync, progress)
    for name in ("replace", "unlink", "mkdir"):
        setattr(Path, name, _counted(getattr(Path, name), progress))


def _counted(operation: Callable[..., Any], progress: Progress) -> Callable[..., Any]:
    def counted(*arguments: Any, **options: Any) -> Any:
        if progress.reaches("file operation"):
            die()
        result = operation(*arguments, **options)
        if progress.reaches("file operation"):
            die()
        return result

    return counted


@dataclass(frozen=True)
class Trial:
    """One draw of settings, and how its processes are started."""

    settings: dict[str, str]
    checkpoint_interval_s: float
    as_process: bool

    def arguments(self, corpus: Path, folder: Path, *, resume: bool) -> list[str]:
        """Return the command line after ``sulsul``."""
        chosen = [part for key, value in self.settings.items() for part in ("--set", f"{key}={value}")]
        end = ["--resume"] if resume else []
        return ["train", str(corpus), "--label", "label", "--no-baselines", "-o", str(folder), *chosen, *end]

    def run(self, arguments: list[str], log: Path, progress: Progress, kill_after_s: float | None) -> int:
        """Run a command, kill it if it lasts longer, and return its exit code (negative: the signal)."""
        if self.as_process:
            with log.open("ab") as file:
                process = subprocess.Popen([sys.executable, "-m", "sulsul", *arguments], stdout=file, stderr=file)
            return _wait(process.pid, kill_after_s)
        child = os.fork()
        if not child:
            _become_sulsul(arguments, log, progress, self.checkpoint_interval_s)
        return _wait(child, kill_after_s)


def _become_sulsul(arguments: list[str], log: Path, progress: Progress, checkpoint_interval_s: float) -> None:
    """Be `sulsul ARGUMENTS` from here on; the counts of a process that ends well are left beside its log."""
    code = 70
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        instrument(progress, checkpoint_interval_s)
        sys.argv = ["sulsul", *arguments]
        from sulsul.cli import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        counted = ",".join(f"{progress.counts[moment]}" for moment in MOMENTS[1:])
        log.with_suffix(".counts").write_bytes(counted.encode())
        log.with_suffix(".modules").write_bytes("\n".join(sys.modules).encode())
    except BaseException as error:
        print("crashed:", repr(error), file=sys.stderr)
    finally:
        sys.stdout.flush()
        os._exit(code)


def _wait(child: int, kill_after_s: float | None) -> int:
    deadline = None if kill_after_s is None else time.monotonic() + kill_after_s
    while True:
        ended, status = os.waitpid(child, os.WNOHANG if deadline is not None else 0)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if deadline is not None and time.monotonic() >= deadline:
            os.kill(child, signal.SIGKILL)
            deadline = None
        time.sleep(0.002)


def draw_trial(draw: random.Random, *, as_process: bool) -> Trial:
    """Choose settings at random."""
    optimizer = draw.choice(["sgd", "rmsprop", "adam", "adamw"])
    layer = f'{{kind="{draw.choice(["simple-rnn", "gru", "lstm"])}",units={draw.choice([3, 8, 17])},'
    layer += f"bidirectional={draw.choice(['true', 'false'])}}}"
    rate = draw.choice([0.0, 0.3])
    dropout = f',{{kind="dropout",rate={rate}}}' if rate else ""
    tokenizer = draw.choice(["word", "char", "subword"])
    summed = tokenizer == "word" and draw.random() < 0.5
    settings = {
        "model.layers": f"[{layer}{dropout}]",
        "model.pooling": draw.choice(["last", "mean", "max", "attention"]),
        "text.tokenizer": tokenizer,
        "text.ngrams": "[1, 3]" if summed else "none",
        "model.input": f'{{kind="{"summed-embedding" if summed else "embedding"}",size=8}}',
        "training.optimizer": optimizer,
        "training.learning_rate": "0.01",
        "training.schedule": draw.choice(["constant", "cosine", "plateau"]),
        "training.bucket": draw.choice(["true", "false"]),
        "training.batch_size": str(draw.choice([8, 16])),
        "training.epochs": str(draw.choice([2, 4])),
        "training.keep": draw.choice(["best", "last"]),
        "training.backend": draw.choice(["auto", "auto", "torch"]),
        "training.threads": str(draw.choice([1, 2])),
        "training.seed": str(draw.randrange(1000)),
        **({"training.momentum": "0.9"} if optimizer == "sgd" else {}),
        "ensemble.members": "2" if draw.random() < 0.25 else "1",
        "wide.kind": "none",
        **({"training.clip_norm": "1.0"} if draw.random() < 0.5 else {}),
    }
    return Trial(settings, draw.choice([0.0, 300.0]), as_process)


def result_of(folder: Path) -> dict[str, object]:
    """Return what must not depend on interruptions."""
    found: dict[str, object] = {name: (folder / name).read_bytes() for name in _SAME_BYTES}
    for path in sorted(folder.glob("history*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found[path.name] = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    found["names of the files"] = sorted(path.name for path in folder.iterdir())
    return found


def run_trial(trial: Trial, corpus: Path, folder: Path, draw: random.Random, budget: int) -> tuple[Counter[str], str]:
    """Run once whole and once with kills; return how often it was killed in which way, and what differs, if any."""
    log, whole, broken = folder / "log", folder / "whole", folder / "broken"
    started = time.monotonic()
    if code := trial.run(trial.arguments(corpus, whole, resume=False), log, Progress(), None):
        return Counter(), f"the undisturbed run ended with {code}:\n{log.read_text(encoding='utf-8')}"
    seconds = time.monotonic() - started
    limits = {} if trial.as_process else dict(zip(MOMENTS[1:], _counts(log), strict=True))
    kills: Counter[str] = Counter()
    for number in itertools.count():
        log.unlink()
        disturbed = number < _MOST_KILLS and kills.total() < budget
        moment = draw.choice(["time", *limits, *limits]) if disturbed else None
        progress = Progress(dies_in=moment, dies_at=draw.randint(1, limits[moment]) if moment in limits else 0)
        delay_s = draw.uniform(0.0, seconds) if moment == "time" else None
        begun = broken.exists()
        finished = (broken / "config.json").exists() and not (broken / "checkpoint.safetensors").exists()
        if finished:
            break
        code = trial.run(trial.arguments(corpus, broken, resume=begun), log, progress, delay_s)
        if code == _KILLED:
            kills[str(moment)] += 1
        elif code:
            return kills, f"a run ended with {code}:\n{log.read_text(encoding='utf-8')}"
        elif not disturbed:
            break
    if trial.settings.get("ensemble.members") == "2":
        # A run that is killed while it removes what it needs no more leaves some; asking to resume removes the rest.
        trial.run(trial.arguments(corpus, broken, resume=True), log, Progress(), None)
    expected, found = result_of(whole), result_of(broken)
    return kills, ", ".join(name for name in expected if expected[name] != found[name])


def _counts(log: Path) -> list[int]:
    return [int(number) for number in log.with_suffix(".counts").read_text().split(",")]


def write_corpus(path: Path) -> None:
    """Write 120 short texts of two classes."""
    words = ["좋았다", "나빴다", "빠르다", "느리다", "kind", "rude", "quick", "slow", "문의", "설명"]
    draw = random.Random(0)
    rows = [(" ".join(draw.choices(words, k=draw.randint(1, 9))), draw.choice(["a", "b"])) for _ in range(120)]
    path.write_text("text,label\n" + "".join(f"{text} {k},{label}\n" for k, (text, label) in enumerate(rows)), "utf-8")


def import_as_a_run_does(corpus: Path, folder: Path) -> None:
    """Import what runs import, so that forked ones need not; only a run itself knows what that is."""
    from sulsul.text.splitting import punctuation_class

    punctuation_class()
    log = folder / "log"
    for backend in ("native", "torch"):
        trial = Trial({"training.epochs": "1", "training.threads": "1", "training.backend": backend}, 300.0, False)
        if code := trial.run(trial.arguments(corpus, folder / backend, resume=False), log, Progress(), None):
            raise SystemExit(f"the first run ended with {code}:\n{log.read_text(encoding='utf-8')}")
        for module in log.with_suffix(".modules").read_text(encoding="utf-8").split():
            if module != "__main__":
                importlib.import_module(module)


def main() -> int:
    """Kill as often as asked; exit code 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no trial after so long")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=0, help="trials whose every run is a process of its own")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    draw, kills, n_trials, started = random.Random(options.seed), Counter[str](), 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sulsul-kill-") as name:
        corpus = Path(name) / "corpus.csv"
        write_corpus(corpus)
        import_as_a_run_does(corpus, Path(name))
        while kills.total() < options.kills and time.monotonic() - started < options.seconds:
            trial = draw_trial(draw, as_process=n_trials < options.processes)
            folder = Path(name) / str(n_trials)
            folder.mkdir()
            n_trials += 1
            found, lost = run_trial(trial, corpus, folder, draw, options.kills - kills.total())
            kills += found
            if lost:
                print(f"LOST in trial {n_trials} {trial}: {lost}")
                return 1
            print(f"trial {n_trials}: {found.total()} kills, {kills.total()} in all", file=sys.stderr, flush=True)
    listed = ", ".join(f"{n} by {moment}" for moment, n in kills.most_common())
    print(
        f"{kills.total()} kills ({listed}) in {n_trials} trials of random settings: nothing lost, the same bytes "
        f"({time.monotonic() - started:.0f} s, seed {options.seed})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
