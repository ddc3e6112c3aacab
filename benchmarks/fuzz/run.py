"""Fuzz every way into sulsul for a time each, and print how many inputs were tried.

    python benchmarks/fuzz/run.py --seconds 60                      all targets
    python benchmarks/fuzz/run.py --targets npz,parquet --seconds 600

Every target runs in a process of its own: with atheris (`pip install atheris`) the inputs follow the coverage of
sulsul's code, without it they are random changes of valid ones. An input fails that raises anything but sulsul's own
errors, takes longer than 20 s or more than 3 GiB beyond what the libraries take, starts a process, connects somewhere,
writes outside the fuzzer's folder or unpickles; it is kept in `--keep FOLDER`. Exit code 1 if one does.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

_LONGEST_S = 20
_MOST_BYTES = 3 << 30
_FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "subprocess.Popen",
    "socket.connect",
    "ctypes.dlopen",
)
_ADMITTED_PICKLE = ("numpy", "_codecs", "__builtin__", "builtins")


class ForbiddenError(BaseException):
    """An input made the program do what no input may."""


def watch(*folders: Path) -> None:
    """Let the interpreter itself report what no input may cause."""

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _FORBIDDEN:
            raise ForbiddenError(f"{event} {arguments[:1]!r}")
        if event == "open" and isinstance(arguments[0], str) and isinstance(arguments[1], str):
            writes = set(arguments[1]) & set("wax+")
            if writes and not any(Path(arguments[0]).resolve().is_relative_to(folder) for folder in folders):
                raise ForbiddenError(f"writes {arguments[0]}")

    sys.addaudithook(look)


def limit_memory() -> None:
    """Bound the address space at what is in use now and some."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MOST_BYTES, used + _MOST_BYTES))


class Session:
    """Counts the inputs of one target and keeps those that fail."""

    def __init__(self, name: str, keep: Path) -> None:
        import targets

        self.target = targets.target(name)
        self.counts = {"inputs": 0, "accepted": 0, "failed": 0}
        self._name, self._keep = name.replace(" ", "-"), keep
        self._started = time.monotonic()
        for seed in self.target.seeds:
            if not self.target.accepts(seed):
                raise SystemExit(f"{name}: an input to begin from is refused")
        tempfile.tempdir = str(targets.FOLDER)
        watch(targets.FOLDER.resolve(), keep)
        limit_memory()
        signal.signal(signal.SIGALRM, _too_slow)

    def try_input(self, content: bytes) -> None:
        """Give one input to the target."""
        self.counts["inputs"] += 1
        signal.alarm(_LONGEST_S)
        try:
            self.counts["accepted"] += self.target.accepts(content)
        except BaseException as error:
            self.counts["failed"] += 1
            self._keep.mkdir(parents=True, exist_ok=True)
            (self._keep / f"{self._name}-{self.counts['failed']}").write_bytes(content)
            traceback.print_exception(error)
        finally:
            signal.alarm(0)

    def report(self) -> None:
        """Print the counts as the last line."""
        print(json.dumps({**self.counts, "seconds": round(time.monotonic() - self._started, 1)}), flush=True)


def _too_slow(number: int, frame: object) -> None:
    raise TimeoutError(f"longer than {_LONGEST_S} s")


def fuzz_randomly(session: Session, seconds: float, seed: int) -> None:
    """Change valid inputs at random."""
    import mutation

    draw, end = random.Random(seed), time.monotonic() + seconds
    mutate = mutation.mutate_json if session.target.is_json else mutation.mutate_bytes
    while time.monotonic() < end:
        session.try_input(mutate(draw.choice(session.target.seeds), draw))
    session.report()


def fuzz_by_coverage(session: Session, seconds: float, seed: int, corpus: Path) -> None:
    """Let libFuzzer choose inputs by what they reach."""
    import atheris
    import mutation

    def mutate(content: bytes, largest: int, number: int) -> bytes:
        draw = random.Random(number)
        if draw.random() < 0.3:
            return bytes(atheris.Mutate(content, largest))
        change = mutation.mutate_json if session.target.is_json else mutation.mutate_bytes
        return change(content, draw, largest)

    corpus.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(session.target.seeds):
        (corpus / f"seed-{number}").write_bytes(content)
    end = time.monotonic() + seconds

    def one(content: bytes) -> None:
        if time.monotonic() >= end:
            session.report()
            os._exit(0)
        session.try_input(content)

    options = [f"-seed={seed + 1}", "-max_len=65536", "-rss_limit_mb=0", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, custom_mutator=mutate)
    atheris.Fuzz()


def run_one(options: argparse.Namespace) -> int:
    """Fuzz one target in this process."""
    keep = Path(options.keep).resolve()
    try:
        import atheris
    except ImportError:
        session = Session(options.one, keep)
        fuzz_randomly(session, options.seconds, options.seed)
    else:
        with atheris.instrument_imports(include=["sulsul"]):
            session = Session(options.one, keep)
        import targets

        # Within the folder that may be written to.
        fuzz_by_coverage(session, options.seconds, options.seed, targets.FOLDER / "corpus")
    return 0


def main() -> int:
    """Fuzz the targets one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="per target")
    parser.add_argument("--targets", help="names, with commas between them; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", default="fuzz-failures", help="folder for inputs that fail")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    if options.one:
        return run_one(options)
    import targets

    total, failed = 0, 0
    for name in options.targets.split(",") if options.targets else targets.NAMES:
        command = [sys.executable, __file__, "--one", name, "--seconds", str(options.seconds), "--keep", options.keep]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(targets.FOLDER)}
        done = subprocess.run(
            [*command, "--seed", str(options.seed)],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
        )
        counts = _last_line(done.stdout)
        ended_badly = done.returncode != 0 or counts["failed"] > 0
        total, failed = total + counts["inputs"], failed + ended_badly
        told = f"{counts['inputs']:>9,} inputs, {counts['accepted']:>8,} accepted, {counts['failed']} failed"
        print(f"{name:18} {told}", flush=True)
        if ended_badly:
            print(f"exit code {done.returncode}\n{done.stderr[-6000:]}", file=sys.stderr)
    shutil.rmtree(targets.FOLDER)
    print(f"{total:,} inputs: {failed} target(s) failed")
    return int(failed > 0)


def _last_line(text: str) -> dict[str, int]:
    for line in reversed(text.splitlines()):
        if line.startswith('{"inputs"'):
            return dict(json.loads(line))
    return {"inputs": 0, "accepted": 0, "failed": 0}


if __name__ == "__main__":
    sys.exit(main())
