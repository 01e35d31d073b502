"""The paired interval by hand, at its edges, and how often it covers the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from components.evaluator.metrics.paired import PairedInterval


def from_values(candidate: np.ndarray, baseline: np.ndarray) -> PairedInterval:
    d = candidate - baseline
    return PairedInterval.from_sums("recall@10", d.size, d.sum(), (d**2).sum(), baseline.sum())


def test_by_hand() -> None:
    interval = from_values(np.array([0.5, 0.0, 1.0, 0.5]), np.array([0.5, 0.5, 0.5, 0.5]))
    assert interval.users == 4
    assert interval.difference == 0
    # differences 0, -.5, .5, 0: sample variance 1/6, standard error sqrt(1/24)
    assert interval.standard_error == pytest.approx(math.sqrt(1 / 24))
    assert interval.high == pytest.approx(1.96 * math.sqrt(1 / 24))
    assert interval.percent(interval.high) == pytest.approx(100 * interval.high / 0.5)


def test_equal_models_have_no_width() -> None:
    values = np.random.default_rng(0).random(1000)
    interval = from_values(values, values)
    assert (interval.low, interval.high) == (0, 0)


def test_edges() -> None:
    assert math.isnan(from_values(np.array([]), np.array([])).difference)
    assert math.isnan(from_values(np.array([1.0]), np.array([0.0])).standard_error)
    assert math.isnan(from_values(np.array([1.0, 1.0]), np.array([0.0, 0.0])).percent(1.0))


def test_covers_the_true_difference_in_95_of_100() -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(1000):
        ease = rng.random(400)
        candidate = (rng.random(400) < 0.9 * ease).astype(float)
        baseline = (rng.random(400) < ease).astype(float)
        interval = from_values(candidate, baseline)
        covered += interval.low <= -0.05 <= interval.high
    assert 925 <= covered <= 975
