"""Measure `sulsul serve` against the same model behind one-by-one FastAPI and torch, under load on loopback.

Both servers run in one process with one thread of computation and uvicorn's fast loop; both must give the same
probabilities first. The load comes from wrk (Debian's package): each connection sends its next text when the answer to
the last one has come. The table goes to standard output.
"""

import argparse
import json
import math
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from machine import describe_machine
from sulsul.bundle import Bundle
from sulsul.model.classifier import Classifier
from sulsul.sample import sample_path
from sulsul.specification import RunSpecification
from sulsul.text import LabelEncoder, Tokenizer

TOLERANCE = 2e-5
N_COMPARED = 32
N_TEXTS = 400
_START_S = 120
SPECIFICATION = {
    "name": "serving benchmark",
    "data": {"source": "sample", "text": ["text"], "label": "label"},
    "text": {"tokenizer": "word"},
    "model": {
        "input": {"kind": "embedding", "size": 64},
        "layers": [{"kind": "lstm", "units": 64, "bidirectional": True}],
    },
}

# wrk's own script: bodies in turn, figures as one line of JSON.
SCRIPT = """
local bodies = {}
for line in io.lines("BODIES") do bodies[#bodies + 1] = line end
local place = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
request = function()
  place = place % #bodies + 1
  return wrk.format(nil, nil, nil, bodies[place])
end
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    "\\nFIGURES {\\"requests\\": %d, \\"microseconds\\": %d, \\"p50\\": %d, \\"p99\\": %d, \\"errors\\": %d}\\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What a server did under load."""

    texts_per_s: float
    p50_ms: float
    p99_ms: float


def make_run(folder: Path) -> list[str]:
    """Write a run with fresh weights, as fast as trained ones; return texts of a few to some hundred tokens."""
    sample = pl.read_csv(sample_path())["text"].to_list()
    specification = RunSpecification.parse(SPECIFICATION, where="benchmark")
    tokenizer = Tokenizer.fit(sample, specification.text)
    classifier = Classifier(specification.model, vocabulary_size=tokenizer.vocabulary_size, n_classes=2, seed=1)
    Bundle(classifier, tokenizer, LabelEncoder(("bad", "good")), specification).save(folder)
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(math.log(6), 0.9, N_TEXTS), 1, 40).astype(int)
    return [" ".join(rng.choice(sample, n)) for n in lengths]


@contextmanager
def served(command: list[str]) -> Iterator[str]:
    """Run a server and yield its address once it answers."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{command[-1]}"
    try:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                probabilities(address, "a")
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{' '.join(command)} did not start") from None
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


def probabilities(address: str, text: str) -> list[float]:
    """Return the probabilities a server gives for one text."""
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(f"{address}/predict", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        content = json.load(response)
    answer = content["predictions"][0] if "predictions" in content else content
    return list(answer["probabilities"].values())


def measure(address: str, script: Path, connections: int, seconds: int) -> Load:
    """Load a server for some seconds, after one second to warm up."""

    def load(duration: int) -> dict[str, int]:
        command = ["wrk", "-t1", f"-c{connections}", f"-d{duration}s", "--timeout", "30s", "-s", str(script)]
        printed = subprocess.run([*command, f"{address}/predict"], capture_output=True, text=True, check=True).stdout
        figures: dict[str, int] = json.loads(printed.split("FIGURES ")[1])
        if figures["errors"]:
            raise SystemExit(f"{figures['errors']} requests failed")
        return figures

    load(1)
    figures = load(seconds)
    return Load(figures["requests"] / figures["microseconds"] * 1e6, figures["p50"] / 1000, figures["p99"] / 1000)


def free_port() -> str:
    """Return a port nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return str(listening.getsockname()[1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is needed: apt-get install wrk")
    with TemporaryDirectory() as name:
        folder = Path(name)
        texts = make_run(folder / "run")
        (folder / "bodies").write_text("\n".join(json.dumps({"text": text}) for text in texts), encoding="utf-8")
        script = folder / "load.lua"
        script.write_text(SCRIPT.replace("BODIES", str(folder / "bodies")))
        naive = [sys.executable, str(Path(__file__).with_name("naive_server.py")), str(folder / "run"), free_port()]
        ours = [sys.executable, "-m", "sulsul", "serve", str(folder / "run"), "--port", free_port()]
        with served(naive) as naive_address, served(ours) as our_address:
            addresses = {"FastAPI + torch, one by one": naive_address, "sulsul serve": our_address}
            compare(addresses, texts)
            loads = {
                (label, connections): [measure(address, script, connections, arguments.seconds)]
                for connections in arguments.connections
                for label, address in addresses.items()
            }
            for _ in range(arguments.rounds - 1):
                for (label, connections), measured in loads.items():
                    measured.append(measure(addresses[label], script, connections, arguments.seconds))
    print_table(loads, texts)


def compare(addresses: dict[str, str], texts: list[str]) -> None:
    """Make sure that all servers give the same probabilities."""
    answers = [[probabilities(address, text) for text in texts[:N_COMPARED]] for address in addresses.values()]
    difference = np.abs(np.array(answers[0]) - np.array(answers[1])).max()
    if not difference <= TOLERANCE:
        raise SystemExit(f"the servers' probabilities differ by {difference}")


def print_table(loads: dict[tuple[str, int], list[Load]], texts: list[str]) -> None:
    """Print medians over the rounds as Markdown, and what they were measured on."""
    machine = describe_machine(threads=1)
    words = [len(text.split()) for text in texts]
    print(f"{machine['cpu']}, {machine['cores']} cores shared with the load; load average {machine['load']:.1f};")
    print(f"commit {machine['commit']}, {machine['date']}. Bidirectional LSTM of 64 units, embedding of 64; texts of")
    print(f"{min(words)} to {max(words)} words, {statistics.median(words):g} in the median. Medians of the rounds.\n")
    print("| connections | server | texts/s | p50 (ms) | p99 (ms) |")
    print("| ---: | --- | ---: | ---: | ---: |")
    for (label, connections), measured in loads.items():
        rate = statistics.median(load.texts_per_s for load in measured)
        p50 = statistics.median(load.p50_ms for load in measured)
        p99 = statistics.median(load.p99_ms for load in measured)
        print(f"| {connections} | {label} | {rate:,.0f} | {p50:.1f} | {p99:.1f} |")


if __name__ == "__main__":
    main()
