"""The model of docs/scaling.md; its measurements are never run as tests."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def scaling(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(FOLDER)
    yield __import__("scaling")
    del sys.modules["scaling"]


@pytest.fixture
def network(scaling: ModuleType) -> Any:
    return scaling.Network(bytes_per_s=1e9, latency_s=1e-3)


def test_a_ring_passes_a_share_on_2_n_minus_2_times(network: Any) -> None:
    assert network.all_reduce_s(4e6, 1) == 0.0
    assert network.all_reduce_s(4e6, 4) == pytest.approx(6 * (1e-3 + 1e6 / 1e9))


def test_a_step_is_the_sum_of_its_parts(scaling: ModuleType, network: Any) -> None:
    costs = scaling.Costs(
        gradient_s=0.1,
        update_s_per_value=1e-6,
        pack_s_per_value=2e-6,
        n_dense=1000,
        n_rows=50,
        row_size=10,
        rows_of={1: 20.0, 2: 30.0, 4: 40.0},
        n_texts=128,
    )
    assert costs.step_s(network, 1) == pytest.approx(0.1 + 1200e-6)
    rings_s = network.all_reduce_s(50, 4) + network.all_reduce_s(4 * 1400, 4)
    assert costs.step_s(network, 4) == pytest.approx(0.1 + 1400e-6 + 2 * 1400e-6 + rings_s)
    rings_s = network.all_reduce_s(50, 2) + network.all_reduce_s(4 * 1400, 2)
    assert costs.step_s(network, 2, 4) == pytest.approx(0.2 + 1400e-6 + 2 * 1400e-6 + rings_s)
