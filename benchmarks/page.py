"""``docs/benchmarks.md`` from the results."""

from collections.abc import Iterable
from typing import Any

from peer_process import PEERS
from workloads import SWEEPS, WORKLOADS, Workload

OURS = ("sulsul", "sulsul-random")

_INTRODUCTION = """# Benchmarks

Written by `make bench`. Every peer runs in its own environment and process on the same texts and weights, and must
give the same probabilities as sulsul (within 1e-4) before anything is timed. Then the peers take turns; a figure is
the median over the turns. A training step is everything a user of the library pays per batch in its own training
loop: Keras through `model.fit` with its default compilation, torch.nn through a plain loop with the fused or foreach
optimizer, sulsul through `train_classifier`, each with loss and, in Keras and sulsul, accuracy. Subnormal numbers are
flushed to zero in sulsul, torch and ONNX Runtime (XLA and TensorFlow do it themselves).

*Dense*: every text has T tokens. *Real*: words of real texts cut to at most T; Keras and padded torch pad behind to
T, as their users do; packed torch and sulsul compute true lengths, sulsul in its default batches of similar lengths
and, in a second column, in random batches.
"""

_LIMITS = """\
## What limits the steps

Measured apart from the tables above on one such machine with other load beside it, so times are minima over some
thousand repetitions; a cycle is the core's (3.8 GHz, from a chain of subtractions).

*`s4_emb` and `s4_onehot`.* A step is 400 timesteps of 16 texts, forward and backward. Forward takes some 220 cycles
each; its vector operations, by count, keep the two ports busy for 123, 72 of them with activations, and a
multiplication that reads its weight from memory takes 0.62 cycles, not 0.5. Backward takes some 175, of which the
recurrent kernel's gradient takes 60. Together 43 µs on one core. In a step on two cores each half takes 13.5 µs
forward and 13.6 backward, instead of 10.7 and 9.5; two processes with a copy each do not slow one another down, so
it is data that one core writes and the other reads. Collecting texts (1 µs, 3 from a large corpus), products, sums,
head, loss and optimizer are another 8 to 10 µs on one core. Since then a tanh takes 13 operations instead of 19: on one
core, beside other load, a whole step takes 48 and 45 µs where it took 60 and 57.

*`s0_lstm`.* Its products, as three of bfloat16 halves, are 33 thousand million multiply-adds, 8.5 ms of the step if
both cores' tile units never waited. On one core a chunk of 192 rows, 128 inputs and 256 gates runs at 410 to 450
GFLOP/s, packing included; float32 in MKL at 160. By samples of the program counter, on one core, the kernels' time
goes to weight gradients (about 24 %), products of inputs and of their gradients (21 %), the recurrent product of
each timestep (17 %), gates and states forward (18 %) and backward (15 %), sums and scatters (5 %): no part alone
would bring the step to an eighth of the best peer's.

*Without AMX* (`SULSUL_ISA=avx512 python benchmarks/step_rate.py s0_lstm practical`, dense, two threads, nothing beside
it) the steps take 112.8 and 111.7 ms: their matrix products alone are 195 and 216 GFLOP/s, 86 and 95 % of the 228 that
torch reaches in one product of 16000×128×512 then.

*In bfloat16* (`precision="bf16"` of the kernels, one product instead of three; one thread, `python
benchmarks/precision.py --seeds 3`) accuracy on held-out texts is that of float32 as far as three seeds tell: Seoul
72.9 against 71.6 % (difference +1.3 ± 2.7), NSMC 73.3 against 73.1 (+0.2 ± 0.2), IMDB 81.1 against 78.7 (+2.3 ± 1.2);
all epochs through torch's steps take 15.8, 8.6 and 19.3 s instead of 19.7, 8.7 and 29.1. Whole native steps compute in
float32 only.
"""


def render_page(results: dict[str, Any]) -> str:
    """Return the whole page as Markdown."""
    measurements = results["measurements"]
    parts = [_INTRODUCTION]
    if "machine" in results:
        parts.append(_machine(results["machine"], measurements))
    parts += [
        _training(measurements, "dense"),
        _training(measurements, "real"),
        _inference(measurements),
        _threads(measurements),
        _memory(measurements),
        *(_sweep(measurements, axis) for axis in SWEEPS),
        _keras_script(measurements),
        _serving(measurements),
        _LIMITS,
    ]
    return "\n".join(part for part in parts if part)


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |"]
    lines.append("|" + " --- |" * (lines[0].count("|") - 1))
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _machine(machine: dict[str, Any], measurements: dict[str, Any]) -> str:
    versions: dict[str, str] = {}
    for measured in measurements.values():
        for peer in measured.get("versions", {}).values():
            versions.update(peer)
    commits = sorted({f"{measured['commit']} ({measured['date'][:10]})" for measured in measurements.values()})
    return (
        f"Machine: {machine['cpu']} ({machine['family']}; {', '.join(machine['extensions'])}), "
        f"{machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB, {machine['system']}; "
        f"{machine['threads']} thread(s) unless said otherwise; load before the last run {machine['load']:.2f}.\n\n"
        f"Versions: {', '.join(f'{name} {version}' for name, version in sorted(versions.items()))}. "
        f"Commits: {', '.join(commits)}.\n"
    )


def _milliseconds(timing: dict[str, float] | None) -> str:
    if timing is None:
        return "–"
    median, low, high = (1e3 * timing[key] for key in ("median", "low", "high"))
    return f"{median:.3g} ({low:.3g}–{high:.3g})"


def _ratio(timings: dict[str, Any]) -> str:
    peers = {name: timing["median"] for name, timing in timings.items() if name not in OURS}
    if not peers or "sulsul" not in timings:
        return "–"
    best = min(peers, key=lambda name: peers[name])
    return f"**{peers[best] / timings['sulsul']['median']:.3g}×** {PEERS[best].label}"


def _peers_in(measurements: Iterable[dict[str, Any]]) -> list[str]:
    measured = [measurement.get("timings", measurement.get("bytes", {})) for measurement in measurements]
    return [name for name in PEERS if any(name in timings for timings in measured)]


def _share(workload: Workload, measured: dict[str, Any]) -> str:
    """Return how fast the step's matrix products go, against one large product."""
    if "product_rate" not in measured or "sulsul" not in measured["timings"]:
        return "–"
    operations = workload.training_operations(workload.batch_size * measured["mean_length"])
    rate = measured["product_rate"]
    return f"{operations / measured['timings']['sulsul']['median'] / rate:.0%} of {rate / 1e9:.0f} GFLOP/s"


def _training(measurements: dict[str, Any], lengths: str) -> str:
    found = {name: measurements.get(f"training/{name}/{lengths}") for name in WORKLOADS}
    found = {name: measured for name, measured in found.items() if measured}
    if not found:
        return ""
    peers = _peers_in(found.values())
    header = ["workload", "tokens/text", *(PEERS[peer].label for peer in peers), "against the best peer"]
    if lengths == "dense":
        header.append("matrix products, share of the product rate")
    rows = []
    for name, measured in found.items():
        timings = measured["timings"]
        row = [f"`{name}`", f"{measured['mean_length']:.0f}", *(_milliseconds(timings.get(peer)) for peer in peers)]
        row.append(_ratio(timings))
        if lengths == "dense":
            row.append(_share(WORKLOADS[name], measured))
        rows.append(row)
    sources = "; ".join(f"`{name}`: {measured['source']}" for name, measured in found.items())
    closing = {
        "real": f"Texts: {sources}.\n",
        "dense": "The product rate is that of torch (MKL) for float32 16000×128×512, taken before each run.\n",
    }[lengths]
    title = f"## Training step, {lengths} lengths: ms, median (lowest–highest)\n"
    return "\n".join([title, _table(header, rows), closing])


def _inference(measurements: dict[str, Any]) -> str:
    found = {key: measured for key, measured in measurements.items() if key.startswith("inference/")}
    if not found:
        return ""
    peers = _peers_in(found.values())
    rows = []
    for key in sorted(found, key=lambda key: (key.split("/")[1], int(key.split("/")[2]))):
        _, name, batch_size = key.split("/")
        timings = found[key]["timings"]
        speeds = [f"{1 / timings[peer]['median']:,.0f}" if peer in timings else "–" for peer in peers]
        rows.append([f"`{name}`", batch_size, f"{found[key]['mean_length']:.0f}", *speeds, _ratio(timings)])
    header = ["workload", "batch", "tokens/text", *(PEERS[peer].label for peer in peers), "against the best peer"]
    return "\n".join(["## Inference on real lengths: documents per second\n", _table(header, rows)])


def _threads(measurements: dict[str, Any]) -> str:
    rows, peers = [], _peers_in(m for key, m in measurements.items() if key.startswith("threads/"))
    for name in WORKLOADS:
        one, many = measurements.get(f"threads/{name}/1"), measurements.get(f"training/{name}/dense")
        if not one:
            continue
        rows.append([f"`{name}`", "1", *(_milliseconds(one["timings"].get(peer)) for peer in peers)])
        if many:
            rows.append([f"`{name}`", "all", *(_milliseconds(many["timings"].get(peer)) for peer in peers)])
    if not rows:
        return ""
    header = ["workload", "threads", *(PEERS[peer].label for peer in peers)]
    return "\n".join(["## Training step against threads, dense: ms\n", _table(header, rows)])


def _memory(measurements: dict[str, Any]) -> str:
    found = {key: measured for key, measured in measurements.items() if key.startswith("memory/")}
    if not found:
        return ""
    peers = _peers_in(found.values())
    rows = []
    for name in WORKLOADS:
        for lengths in ("dense", "real"):
            measured = found.get(f"memory/{name}/{lengths}")
            if measured:
                sizes = (f"{measured['bytes'][p] / 2**20:.0f}" if p in measured["bytes"] else "–" for p in peers)
                rows.append([f"`{name}`", lengths, *sizes])
    explanation = (
        "By how much the first training epoch raises the peak resident size of a fresh process that holds the network "
        "and the texts, whatever is compiled or allocated once included.\n"
    )
    header = ["workload", "lengths", *(PEERS[peer].label for peer in peers)]
    return "\n".join(["## Peak memory of training: MiB\n", explanation, _table(header, rows)])


def _sweep(measurements: dict[str, Any], axis: str) -> str:
    found = {value: measurements.get(f"sweeps/{axis}/{value}") for value, _ in SWEEPS[axis]}
    found = {value: measured for value, measured in found.items() if measured}
    if not found:
        return ""
    peers = _peers_in(found.values())
    rows = []
    for value, measured in found.items():
        cells = (_milliseconds(measured["timings"].get(peer)) for peer in peers)
        rows.append([str(value), *cells, _ratio(measured["timings"])])
    workload = SWEEPS[axis][0][1]
    fixed = {
        "timesteps": f"{workload.n_timesteps} timesteps",
        "units": f"{workload.layers[0].units} units",
        "batch size": f"batch {workload.batch_size}",
    }
    others = ", ".join(text for name, text in fixed.items() if name != axis)
    header = [axis, *(PEERS[peer].label for peer in peers), "against the best peer"]
    return "\n".join(
        [f"## Training step against {axis}, dense: ms\n", f"One LSTM layer, {others}.\n", _table(header, rows)]
    )


def _keras_script(measurements: dict[str, Any]) -> str:
    found = {key.split("/")[1]: measured for key, measured in measurements.items() if key.startswith("keras/")}
    rows, sources = [], []
    for name, measured in found.items():
        ours = measured["timings"].get("script-ours")
        for script in (script for script, kind in PEERS.items() if kind.masked and script in measured["timings"]):
            step, text = measured["timings"][script], measured["inference"].get(script)
            times = "–" if ours is None else f"{step['median'] / ours['median']:.3g}×"
            speed = "–" if text is None else f"{1 / text['median']:,.0f}"
            rows.append([f"`{name}`", PEERS[script].label, _milliseconds(step), times, speed])
        sources.append(f"`{name}`: {measured['source']}, {measured['mean_length']:.0f} in the mean")
    if not rows:
        return ""
    explanation = (
        "The same script everywhere: `Embedding(mask_zero=True)`, the recurrent layers, `Dense`, texts padded behind, "
        "`model.fit` and `model.predict_on_batch` in batches of 256. In the first row its layers come from "
        "`sulsul.keras.layers` instead of `keras.layers`; nothing else differs. All must give sulsul's probabilities "
        f"of the texts without their padding first. Texts: {'; '.join(sources)}.\n"
    )
    header = ["workload", "Keras on", "training step, ms", "takes", "texts/s"]
    return "\n".join(["## One Keras script\n", explanation, _table(header, rows)])


def _serving(measurements: dict[str, Any]) -> str:
    found = {int(key.split("/")[1]): measured for key, measured in measurements.items() if key.startswith("serving/")}
    if not found:
        return ""
    rows = []
    for connections, measured in sorted(found.items()):
        for server, load in measured["loads"].items():
            rate, p50, p99 = load["texts_per_s"], load["p50_ms"], load["p99_ms"]
            spread = f"{rate['median']:,.0f} ({rate['low']:,.0f}–{rate['high']:,.0f})"
            rows.append([str(connections), server, spread, f"{p50['median']:.1f}", f"{p99['median']:.1f}"])
    last = found[max(found)]
    explanation = (
        f"{last['model']}; {last['source']}. Both servers have one process, one thread of computation and "
        "uvicorn's fast loop, and must give the same probabilities first. wrk sends from the same machine; each "
        "connection sends its next text when the answer to the last one has come.\n"
    )
    header = ["connections", "server", "texts/s", "p50, ms", "p99, ms"]
    return "\n".join(["## Serving under load\n", explanation, _table(header, rows)])
