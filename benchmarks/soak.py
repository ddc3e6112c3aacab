"""Train, predict and serve under load for a long time, and see whether memory stays where it is.

    python benchmarks/soak.py --minutes 60

One process trains a small classifier again and again, loads what it saved, predicts thousands of texts with it and
explains some; a server in a process of its own answers clients without a pause. Resident memory of both is printed
every few seconds. The first third is a warm-up (allocators and caches fill); after it the slope of a straight line
through the figures must not exceed `--most-mib-per-hour` by more than twice its standard error; runs of less than ten
minutes print the slope without judging it.
"""

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np

_SAMPLE_S, _FEWEST_MINUTES = 2.0, 10.0
_WORDS = [
    "좋았다",
    "나빴다",
    "빠르다",
    "느리다",
    "kind",
    "rude",
    "quick",
    "slow",
    "문의",
    "설명",
    "쓰레기",
    "배출",
    "요일",
]


def resident_mib(process: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def slope(seconds: list[float], mib: list[float]) -> tuple[float, float]:
    """Return the slope in MiB per hour after the first third, and twice its standard error."""
    start = len(seconds) // 3
    x, y = np.array(seconds[start:]) / 3600, np.array(mib[start:])
    centred = x - x.mean()
    found = float((centred * y).sum() / (centred**2).sum())
    rest = y - y.mean() - found * centred
    error = float(np.sqrt((rest**2).sum() / max(len(x) - 2, 1) / (centred**2).sum()))
    return found, 2 * error


def texts(draw: random.Random, n: int) -> list[str]:
    """Return texts of 0 to 60 words, some of which nobody has seen before."""
    return [
        " ".join(
            draw.choice(_WORDS) if draw.random() < 0.9 else f"w{draw.randrange(10**6)}"
            for _ in range(draw.randrange(60))
        )
        for _ in range(n)
    ]


class Load:
    """Clients of one server, each asking again as soon as it is answered."""

    def __init__(self, address: str, n_clients: int) -> None:
        self.answers: Counter[str] = Counter()
        self._address, self._stopped = address, threading.Event()
        self._clients = [threading.Thread(target=self._ask, args=(number,), daemon=True) for number in range(n_clients)]
        for client in self._clients:
            client.start()

    def stop(self) -> None:
        """Let every client finish its request."""
        self._stopped.set()
        for client in self._clients:
            client.join()

    def _ask(self, seed: int) -> None:
        draw = random.Random(seed)
        while not self._stopped.is_set():
            route = "predict" if draw.random() < 0.95 else "explain"
            body = {"texts": texts(draw, draw.randint(1, 50))} if route == "predict" else {"text": texts(draw, 1)[0]}
            request = urllib.request.Request(
                f"{self._address}/{route}", json.dumps(body).encode(), {"Content-Type": "application/json"}
            )
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    answer.read()
                    self.answers[str(answer.status)] += 1
            except urllib.error.HTTPError as error:
                self.answers[str(error.code)] += 1


def serve(run: Path, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server and return it with its address."""
    port = 20000 + os.getpid() % 20000
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "sulsul", "serve", str(run), "--port", str(port)], stdout=file, stderr=file
        )
    address = f"http://127.0.0.1:{port}"
    for _ in range(3000):
        try:
            urllib.request.urlopen(f"{address}/readyz", timeout=5).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return server, address
    raise SystemExit(f"the server did not start:\n{log.read_text()}")


def train_and_predict(folder: Path, number: int) -> None:
    """Train, save, load, predict and explain once."""
    import shutil

    from sulsul import Predictor, explain
    from sulsul.experiment import run_experiment
    from sulsul.specification import RunSpecification

    draw = random.Random(number)
    corpus, run = folder / "corpus.csv", folder / "run"
    rows = [f"{text},{label}" for text, label in zip(texts(draw, 300), itertools.cycle("ab"))]
    corpus.write_text("\n".join(["text,label", *rows]) + "\n", "utf-8")
    values = {
        "data": {"source": str(corpus)},
        "model": {"input": {"kind": "embedding", "size": 8}, "layers": [{"kind": "lstm", "units": 8}]},
        "training": {"epochs": 2, "threads": 1, "seed": number},
    }
    specification = RunSpecification.parse(values, where="soak")
    run_experiment(specification, run, command="soak", baselines=number % 10 == 0)
    predictor = Predictor.load(run)
    predictor.predict(texts(draw, 5000))
    explain(predictor, texts(draw, 1)[0] or "좋았다")
    if number:
        shutil.rmtree(run)
    else:
        run.rename(folder / "served")


def main() -> int:
    """Run as long as asked; exit code 1 if memory grows or a request fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--most-mib-per-hour", type=float, default=64.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sulsul-soak-") as name:
        folder = Path(name)
        train_and_predict(folder, 0)
        server, address = serve(folder / "served", folder / "log")
        try:
            return _soak(folder, server.pid, Load(address, options.clients), options)
        finally:
            server.terminate()
            server.wait()


def _soak(folder: Path, server: int, load: Load, options: argparse.Namespace) -> int:
    started = last = time.monotonic()
    seconds: list[float] = []
    memory: dict[str, list[float]] = {"training": [], "server": []}
    rounds = 0
    while (now := time.monotonic()) - started < options.minutes * 60:
        rounds += 1
        train_and_predict(folder, rounds)
        if now - last >= _SAMPLE_S:
            last = now
            seconds.append(now - started)
            memory["training"].append(resident_mib(os.getpid()))
            memory["server"].append(resident_mib(server))
            figures = ", ".join(f"{who} {values[-1]:.1f} MiB" for who, values in memory.items())
            print(f"{now - started:7.0f} s: {figures}; {rounds} trainings, {load.answers.total()} requests", flush=True)
    load.stop()
    grows = False
    for who, values in memory.items():
        found, error = slope(seconds, values)
        # In a few minutes a single round of the allocator looks like a slope.
        grows |= options.minutes >= _FEWEST_MINUTES and found - error > options.most_mib_per_hour
        low, high, last = min(values), max(values), values[-1]
        print(f"{who}: {low:.1f} to {high:.1f} MiB, {last:.1f} at the end; {found:+.1f} ± {error:.1f} MiB per hour")
    print(f"{options.minutes:g} minutes, {rounds} trainings, requests by status: {dict(load.answers)}")
    return int(grows or set(load.answers) - {"200", "429"} != set())


if __name__ == "__main__":
    sys.exit(main())
