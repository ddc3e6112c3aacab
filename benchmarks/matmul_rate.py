"""Compare our matrix products with torch's: the forward, input-gradient and weight-gradient forms of layers' shapes.

Both sides use the same arrays and threads and take turns; outputs are compared first. Figures are medians, with the
quarter-points as the spread, and GF/s count two operations for each multiply-add. ``--neighbour`` instead measures
one product between calls of scikit-learn's k-means and torch's element-wise operations, whose own threads spin.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from machine import describe_machine
from sulsul.kernels import _native

# (tokens, inputs, columns): x (tokens, inputs) @ W (inputs, columns).
SHAPES = (
    (16000, 128, 512),
    (16000, 64, 256),
    (16000, 64, 64),
    (1000, 64, 256),
    (192, 128, 256),
    (64, 64, 16),
    (64, 16, 64),
    (1, 128, 512),
)
FORMS = ("forward", "input gradient", "weight gradient")
INSTRUCTION_SETS = ("scalar", "avx2", "avx512", "amx")
TOLERANCE = {"float32": 2e-5, "bf16": 2e-2}  # largest difference over largest value

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Product:
    """One product in the form that a layer needs it, for both sides.

    Attributes
    ----------
    a, b, out
        Factors as they lie in memory, and the result.
    transpose_a, transpose_b
        Which factor is used transposed.
    """

    a: Array
    b: Array
    out: Array
    transpose_a: bool
    transpose_b: bool

    def ours(self, precision: str) -> None:
        """Multiply with our kernels."""
        _native.matmul(
            self.a,
            self.b,
            self.out,
            transpose_a=self.transpose_a,
            transpose_b=self.transpose_b,
            precision=precision,
        )

    def theirs(self, out: torch.Tensor) -> None:
        """Multiply with torch."""
        a, b = torch.from_numpy(self.a), torch.from_numpy(self.b)
        torch.mm(a.T if self.transpose_a else a, b.T if self.transpose_b else b, out=out)


def make_product(form: str, shape: tuple[int, int, int]) -> Product:
    """Draw the factors of one form of a layer's product."""
    tokens, inputs, columns = shape
    rng = np.random.default_rng(0)
    x = rng.standard_normal((tokens, inputs), dtype=np.float32)
    weight = rng.standard_normal((inputs, columns), dtype=np.float32)
    gates = rng.standard_normal((tokens, columns), dtype=np.float32)
    if form == "forward":
        return Product(x, weight, np.empty((tokens, columns), np.float32), False, False)
    if form == "input gradient":
        return Product(gates, weight, np.empty((tokens, inputs), np.float32), False, True)
    return Product(x, gates, np.empty((inputs, columns), np.float32), True, False)


def time_in_turns(calls: dict[str, Callable[[], None]], rounds: int) -> dict[str, NDArray[np.float64]]:
    """Time the calls one after the other, `rounds` times, after two that do not count; seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 2):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn >= 2:
                seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def assert_equal_outputs(product: Product, theirs: torch.Tensor, name: str, tolerance: float) -> None:
    """Refuse to time two sides that compute different things."""
    difference = float(np.abs(product.out - theirs.numpy()).max() / np.abs(theirs.numpy()).max())
    if not difference <= tolerance:
        raise SystemExit(
            f"{name}: differs from torch by {difference:.1e} of the largest value, allowed {tolerance:.0e}"
        )


def measure(form: str, shape: tuple[int, int, int], sides: list[tuple[str, str]], rounds: int) -> dict[str, Array]:
    """Time one form of one shape for torch and for every (instruction set, precision)."""
    product = make_product(form, shape)
    theirs = torch.empty(product.out.shape)
    product.theirs(theirs)
    calls: dict[str, Callable[[], None]] = {"torch": lambda: product.theirs(theirs)}
    for isa, precision in sides:
        name = isa if precision == "float32" else f"{isa} {precision}"

        def ours(isa: str = isa, precision: str = precision) -> None:
            _native.force_isa(isa)
            product.ours(precision)

        ours()
        assert_equal_outputs(product, theirs, f"{name} {form} {shape}", TOLERANCE[precision])
        calls[name] = ours
    return time_in_turns(calls, rounds)


def print_rates(sides: list[tuple[str, str]], budget_s: float) -> None:
    """Print a line for every shape, form and side."""
    for shape in SHAPES:
        operations = 2 * shape[0] * shape[1] * shape[2]
        rounds = int(np.clip(budget_s / (operations / 5e10 * (len(sides) + 1)), 9, 400))
        for form in FORMS:
            times = measure(form, shape, sides, rounds)
            torch_median = float(np.median(times["torch"]))
            for name, seconds in times.items():
                low, median, high = np.quantile(seconds, [0.25, 0.5, 0.75])
                print(
                    f"{'x'.join(map(str, shape)):>13} {form:<15} {name:<8} {median * 1e3:9.4f} ms "
                    f"[{low * 1e3:.4f}, {high * 1e3:.4f}]  {operations / median / 1e9:7.0f} GF/s  "
                    f"{torch_median / median:5.2f}x torch"
                )


def print_neighbours() -> None:
    """Print what a product costs between other libraries' parallel work, and what they cost beside it."""
    from sklearn.cluster import KMeans

    product = make_product("forward", (1000, 64, 256))
    values = torch.randn(400_000)
    points = np.random.default_rng(0).standard_normal((2000, 8))
    k_means = KMeans(8, n_init=1, max_iter=3, random_state=0)
    neighbours: dict[str, Callable[[], object]] = {
        "nothing": lambda: None,
        "torch": lambda: torch.add(values, values, out=values.clone()),
        "k-means": lambda: k_means.fit(points),
    }
    for name, neighbour in neighbours.items():
        alone = time_in_turns({"neighbour": lambda neighbour=neighbour: neighbour()}, 100)["neighbour"]
        calls = {"neighbour": lambda neighbour=neighbour: neighbour(), "ours": lambda: product.ours("float32")}
        times = time_in_turns(calls, 100)
        print(
            f"1000x64x256 between {name:<8} ours {np.median(times['ours']) * 1e3:.3f} ms; {name} "
            f"{np.median(times['neighbour']) * 1e3:.3f} ms (alone {np.median(alone) * 1e3:.3f} ms)"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=_native.thread_count())
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each shape and form")
    parser.add_argument("--isa", nargs="*", choices=INSTRUCTION_SETS, help="default: all that this machine has")
    parser.add_argument("--neighbour", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    _native.set_thread_count(arguments.threads)
    print(json.dumps(describe_machine(threads=arguments.threads), indent=1))
    if arguments.neighbour:
        print_neighbours()
        return
    available = INSTRUCTION_SETS[: INSTRUCTION_SETS.index(_native.detected_isa()) + 1]
    sides = [(isa, "float32") for isa in arguments.isa or available]
    if ("amx", "float32") in sides:
        sides.append(("amx", "bf16"))
    print_rates(sides, arguments.seconds)


if __name__ == "__main__":
    main()
