"""Measure sulsul against its peers and write ``docs/benchmarks.md``.

Peers are installed into their own environments, compute on the same texts and weights, must give the same
probabilities first, and then take turns. What is measured replaces the same measurement in ``docs/benchmarks.json``;
everything else there stays, so the whole can be measured piece by piece.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from keras_script import SCRIPT_WORKLOADS, SCRIPTS, measure_keras_script
from machine import describe_machine
from measuring import (
    Effort,
    UnequalOutputError,
    measure_inference,
    measure_memory,
    measure_product_rate,
    measure_training,
)
from page import render_page
from peer_process import PEERS, PeerError, PeerPool
from serving import CONNECTIONS, measure_serving
from sulsul.files import write_text_atomically
from workloads import SWEEPS, WORKLOADS

DOCS = Path(__file__).resolve().parents[1] / "docs"
RESULTS = DOCS / "benchmarks.json"
PAGE = DOCS / "benchmarks.md"

SWEPT_PEERS = ("sulsul", "keras-tensorflow", "keras-jax", "torch")
INFERENCE_WORKLOADS = ("practical", "s0_lstm", "s0_gru")
THREADS_WORKLOADS = ("s0_lstm", "practical")

# What it is called in the results, and how to measure it.
Measurement = tuple[str, Callable[[], dict[str, Any]]]


def training(arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Yield the training step of every workload on dense and on real lengths."""
    for name in arguments.workloads:
        for lengths in arguments.lengths:
            peers = _peers(arguments, trains=True)
            if lengths == "dense":
                peers = [peer for peer in peers if peer not in {"sulsul-random", "torch-packed"}]
            with PeerPool(arguments.threads) as pool:
                measure = partial(measure_training, pool, WORKLOADS[name], lengths, peers, arguments.effort)
                yield f"training/{name}/{lengths}", measure


def inference(arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Yield inference at batch 1 and 256 on real lengths."""
    peers = [peer for peer in _peers(arguments, trains=False) if peer != "sulsul-random"]
    for name in arguments.workloads:
        if name not in INFERENCE_WORKLOADS:
            continue
        for batch_size in (1, 256):
            with PeerPool(arguments.threads) as pool:
                measure = partial(measure_inference, pool, WORKLOADS[name], batch_size, peers, arguments.effort)
                yield f"inference/{name}/{batch_size}", measure


def threads(arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Yield the training step on one thread; ``training`` has it on all."""
    peers = [peer for peer in _peers(arguments, trains=True) if peer in SWEPT_PEERS]
    for name in arguments.workloads:
        if name in THREADS_WORKLOADS:
            with PeerPool(1) as pool:
                measure = partial(measure_training, pool, WORKLOADS[name], "dense", peers, arguments.effort)
                yield f"threads/{name}/1", measure


def memory(arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Yield the peak memory of training of every workload."""
    peers = [peer for peer in _peers(arguments, trains=True) if peer != "sulsul-random"]
    for name in arguments.workloads:
        for lengths in arguments.lengths:
            measure = partial(measure_memory, WORKLOADS[name], lengths, peers, threads=arguments.threads)
            yield f"memory/{name}/{lengths}", measure


def sweeps(arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Yield the training step of one LSTM layer over lengths, units and batch sizes."""
    peers = [peer for peer in _peers(arguments, trains=True) if peer in SWEPT_PEERS]
    for axis, points in SWEEPS.items():
        with PeerPool(arguments.threads) as pool:
            for value, workload in points:
                measure = partial(measure_training, pool, workload, "dense", peers, arguments.effort)
                yield f"sweeps/{axis}/{value}", measure


def keras(arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Yield the one Keras script on every backend and with our layers."""
    scripts = [name for name in arguments.peers if name in SCRIPTS]
    for name in arguments.workloads:
        if name in SCRIPT_WORKLOADS:
            measure = partial(measure_keras_script, name, scripts, arguments.effort, threads=arguments.threads)
            yield f"keras/{name}", measure


def serving(arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Yield the servers under load over few and many connections."""
    effort = arguments.effort
    for connections in CONNECTIONS:
        seconds = max(1, round(10 * effort.minimum_s))
        yield f"serving/{connections}", partial(measure_serving, connections, rounds=effort.rounds, seconds=seconds)


SECTIONS = {
    "training": training,
    "inference": inference,
    "threads": threads,
    "memory": memory,
    "sweeps": sweeps,
    "keras": keras,
    "serving": serving,
}


def _peers(arguments: argparse.Namespace, *, trains: bool) -> list[str]:
    return [name for name in arguments.peers if name not in SCRIPTS and (PEERS[name].trains or not trains)]


def merge(results: dict[str, Any], key: str, measured: dict[str, Any], machine: dict[str, Any]) -> None:
    """Put a measurement in its place; peers that were not measured now keep their figures under the same lengths."""
    old = results["measurements"].get(key, {})
    for quantity in ("timings", "inference", "bytes", "loads", "versions"):
        if quantity in measured:
            measured[quantity] = {**old.get(quantity, {}), **measured[quantity]}
    for fact in ("commit", "date", "load", "product_rate"):
        measured[fact] = machine[fact]
    results["measurements"][key] = measured
    results["machine"] = machine


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", type=_names(SECTIONS), default=list(SECTIONS), help=", ".join(SECTIONS))
    parser.add_argument("--workloads", type=_names(WORKLOADS), default=list(WORKLOADS), help=", ".join(WORKLOADS))
    parser.add_argument("--lengths", type=_names(("dense", "real")), default=["dense", "real"], help="dense, real")
    parser.add_argument("--peers", type=_names(PEERS), default=list(PEERS), help=", ".join(PEERS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--render", action="store_true", help="measure nothing, only write the page again")
    arguments = parser.parse_args()
    arguments.effort = Effort(rounds=3, minimum_s=0.1) if arguments.quick else Effort(rounds=7, minimum_s=0.5)
    return arguments


def _names(known: Any) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not among {', '.join(known)}")
        return names

    return parse


def main() -> int:
    """Measure what was asked for, keeping every result as soon as it is there."""
    arguments = parse_arguments()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"measurements": {}}
    failures = 0
    if not arguments.render:
        machine = describe_machine(threads=arguments.threads)
        machine["product_rate"] = measure_product_rate(threads=arguments.threads)
        for section in arguments.sections:
            for key, measure in SECTIONS[section](arguments):
                print(key, end=" … ", flush=True)
                try:
                    measured = measure()
                except (PeerError, UnequalOutputError) as error:
                    failures += 1
                    print(f"failed: {str(error).strip().splitlines()[-1]}", flush=True)
                    continue
                merge(results, key, measured, machine)
                write_text_atomically(RESULTS, json.dumps(results, indent=1, sort_keys=True) + "\n")
                print(_summary(measured), flush=True)
    write_text_atomically(PAGE, render_page(results))
    print(PAGE)
    return 1 if failures else 0


def _summary(measured: dict[str, Any]) -> str:
    if "bytes" in measured:
        return ", ".join(f"{name} {size / 2**20:.0f} MiB" for name, size in measured["bytes"].items())
    if "loads" in measured:
        return ", ".join(
            f"{name} {load['texts_per_s']['median']:,.0f} texts/s" for name, load in measured["loads"].items()
        )
    return ", ".join(f"{name} {timing['median'] * 1e3:.3f} ms" for name, timing in measured["timings"].items())


if __name__ == "__main__":
    sys.exit(main())
