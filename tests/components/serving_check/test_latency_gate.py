"""When a candidate is too slow, on numbers."""

from __future__ import annotations

import numpy as np
import pytest

from components.serving_check.latency_gate import BLOCKS, Latency, judge
from components.serving_check.params import ServingCheckParams

PARAMS = ServingCheckParams(latency_ratio=2.0, latency_floor_ms=50.0)


def blocks(*milliseconds: float) -> list[np.ndarray]:
    """Of each block all queries but one take that long, and one ten times as long."""
    return [np.array([each] * 19 + [10 * each]) for each in milliseconds]


def compared(candidate: list[np.ndarray], pushed: list[np.ndarray]) -> Latency:
    return Latency.of_blocks(50.0, candidate, pushed, "17")


def refused(latency: Latency, params: ServingCheckParams = PARAMS) -> list[str]:
    return [gate.name for gate in judge(latency, params) if not gate.ok]


def test_percentiles_are_of_all_queries_and_ratios_of_the_median_block() -> None:
    ours, theirs = blocks(10, 20, 30, 40, 50), blocks(10, 10, 10, 10, 10)
    found = compared(ours, theirs)
    assert found.queries == 20 * BLOCKS
    assert found.candidate == {
        "p50": np.quantile(np.concatenate(ours), 0.5),
        "p99": np.quantile(np.concatenate(ours), 0.99),
    }
    assert found.pushed["p99"] == np.quantile(np.concatenate(theirs), 0.99)
    assert found.ratios == {"p50": 3.0, "p99": pytest.approx(3.0)}


def test_what_is_slower_than_the_ratio_is_refused() -> None:
    pushed = blocks(30, 30, 30, 30, 30)
    assert refused(compared(blocks(59, 59, 59, 59, 59), pushed)) == []
    assert refused(compared(blocks(61, 61, 61, 61, 61), pushed)) == ["p50 latency", "p99 latency"]
    assert refused(compared(blocks(61, 61, 61, 61, 61), pushed), ServingCheckParams(latency_ratio=3)) == []


def test_each_percentile_refuses_alone() -> None:
    pushed = blocks(30, 30, 30, 30, 30)
    slow_tail = [np.where(block > 100, 5 * block, block) for block in pushed]
    assert refused(compared(slow_tail, pushed)) == ["p99 latency"]
    slow_middle = [np.where(block > 100, block, 3 * block) for block in pushed]
    assert refused(compared(slow_middle, pushed)) == ["p50 latency"]


def test_a_stall_in_two_of_the_blocks_refuses_nobody() -> None:
    pushed = blocks(30, 30, 30, 30, 30)
    assert refused(compared(blocks(30, 900, 30, 900, 30), pushed)) == []
    assert refused(compared(blocks(900, 900, 30, 900, 30), pushed)) == ["p50 latency", "p99 latency"]


def test_up_to_the_floor_no_ratio_refuses() -> None:
    """Ten times as slow as hardly anything is still fast; the tail is above the floor."""
    slower = compared(blocks(40, 40, 40, 40, 40), blocks(4, 4, 4, 4, 4))
    gates = judge(slower, PARAMS)
    assert [(gate.ok, gate.value, gate.bound) for gate in gates] == [
        (True, 10, 2),
        (False, pytest.approx(10), 2),
    ]
    assert gates[0].why == (
        "40.0 ms at 50 queries/s, 100 from the test split; 4.0 ms of version 17; up to 50 ms no ratio refuses"
    )


def test_without_a_pushed_model_it_is_measured_and_accepted() -> None:
    first = Latency.of_blocks(50.0, blocks(900, 900), no_comparison="no pushed model to compare with")
    assert first.ratios == first.pushed == {}
    for gate in judge(first, PARAMS):
        assert (gate.ok, gate.value) == (True, None)
        assert gate.why.endswith(
            "ms at 50 queries/s, 40 from the test split; no pushed model to compare with"
        )


def test_equal_models_on_a_noisy_machine_are_hardly_ever_told_apart() -> None:
    """Both have the same heavy tail, above the floor, and stalls that last a block or two."""
    rng = np.random.default_rng(3)

    def noisy() -> list[np.ndarray]:
        stalls = np.where(rng.random(BLOCKS) < 0.2, rng.uniform(1, 5, BLOCKS), 1)
        return [stall * 60 * rng.lognormal(0, 0.5, 20) for stall in stalls]

    false = sum(bool(refused(compared(noisy(), noisy()))) for _ in range(500))
    assert false <= 25
