"""`sulsul serve` against the same model behind one-by-one FastAPI and torch, under load on loopback.

Both servers run in one process with one thread of computation and uvicorn's fast loop; both must give the same
probabilities first. The load comes from wrk (Debian's package): each connection sends its next text when the answer to
the last one has come.
"""

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
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from measuring import UnequalOutputError
from peer_process import PeerError
from sulsul.bundle import Bundle
from sulsul.ensemble import Ensemble
from sulsul.model.classifier import Classifier
from sulsul.sample import sample_path
from sulsul.specification import RunSpecification
from sulsul.text import LabelEncoder, Tokenizer

NAIVE, OURS = "FastAPI + torch, one by one", "sulsul serve"
CONNECTIONS = (1, 16, 64)
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
    Bundle(Ensemble((classifier,)), tokenizer, LabelEncoder(("bad", "good")), specification).save(folder)
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
                    raise PeerError(f"{' '.join(command)} did not start") from None
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
            raise PeerError(f"{figures['errors']} requests failed")
        return figures

    load(1)
    figures = load(seconds)
    return Load(figures["requests"] / figures["microseconds"] * 1e6, figures["p50"] / 1000, figures["p99"] / 1000)


def free_port() -> str:
    """Return a port nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return str(listening.getsockname()[1])


def measure_serving(connections: int, *, rounds: int, seconds: int) -> dict[str, Any]:
    """Load both servers in turn over so many connections.

    Returns
    -------
    dict
        Under ``loads`` the median, lowest and highest texts/s, p50 and p99 (ms) of each server over the rounds.

    Raises
    ------
    PeerError
        If wrk is missing, a server does not start or a request fails.
    UnequalOutputError
        If the servers' probabilities differ.
    """
    if shutil.which("wrk") is None:
        raise PeerError("wrk is needed: apt-get install wrk")
    with TemporaryDirectory() as name:
        folder = Path(name)
        texts = make_run(folder / "run")
        (folder / "bodies").write_text("\n".join(json.dumps({"text": text}) for text in texts), encoding="utf-8")
        script = folder / "load.lua"
        script.write_text(SCRIPT.replace("BODIES", str(folder / "bodies")))
        naive = [sys.executable, str(Path(__file__).with_name("naive_server.py")), str(folder / "run"), free_port()]
        ours = [sys.executable, "-m", "sulsul", "serve", str(folder / "run"), "--port", free_port()]
        with served(naive) as naive_address, served(ours) as our_address:
            addresses = {NAIVE: naive_address, OURS: our_address}
            compare(addresses, texts)
            loads: dict[str, list[Load]] = {label: [] for label in addresses}
            for _ in range(rounds):
                for label, address in addresses.items():
                    loads[label].append(measure(address, script, connections, seconds))
    return {"loads": {label: summary(measured) for label, measured in loads.items()}, **describe(texts)}


def summary(loads: list[Load]) -> dict[str, dict[str, float]]:
    """Return median, lowest and highest of each quantity."""
    quantities = {name: [getattr(load, name) for load in loads] for name in ("texts_per_s", "p50_ms", "p99_ms")}
    return {
        name: {"median": statistics.median(values), "low": min(values), "high": max(values), "n": len(values)}
        for name, values in quantities.items()
    }


def describe(texts: list[str]) -> dict[str, Any]:
    """Return what was served and with what."""
    words = [len(text.split()) for text in texts]
    packages = {name: version(name) for name in ("fastapi", "uvicorn", "uvloop", "httptools", "torch")}
    return {
        "source": f"texts of {min(words)} to {max(words)} words, {statistics.median(words):g} in the median",
        "model": "Bidirectional LSTM of 64 units, embedding of 64",
        "versions": {NAIVE: packages, OURS: packages | {"sulsul": version("sulsul")}},
    }


def compare(addresses: dict[str, str], texts: list[str]) -> None:
    """Make sure that all servers give the same probabilities."""
    answers = [[probabilities(address, text) for text in texts[:N_COMPARED]] for address in addresses.values()]
    difference = np.abs(np.array(answers[0]) - np.array(answers[1])).max()
    if not difference <= TOLERANCE:
        raise UnequalOutputError(f"the servers' probabilities differ by {difference}")
