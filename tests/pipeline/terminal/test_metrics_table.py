"""Metrics of an evaluation as text."""

from __future__ import annotations

import math

from components.common.metrics import names
from components.evaluator.report import ModelMetrics, Report
from pipeline.terminal.metrics_table import metrics_tables

CANDIDATE = ModelMetrics(
    overall={
        names.RECALL_10: 0.25,
        names.RMSE: 0.9,
        names.POPULARITY_RECALL_10: 0.125,
        names.RECENT_POPULARITY_RECALL_10: 0.0625,
        names.COLD_RECALL_10: math.nan,
        names.USERS: 12_345.0,
        "a new metric": 1.0,
    },
    slices={"slice_cold": {"cold": {names.RECALL_10: 0.1}, "warm": {names.RECALL_10: 0.3}}},
)


def cells(text: str) -> list[list[list[str]]]:
    return [[line.split() for line in part.splitlines()] for part in text.split("\n\n")]


def test_every_metric_overall_and_by_slice_with_popularity_under_the_recall() -> None:
    overall, cold = cells(metrics_tables(Report(CANDIDATE)))
    assert overall == [
        ["metric", "overall"],
        [names.RECALL_10, "0.2500"],
        [names.POPULARITY_RECALL_10, "0.1250"],
        [names.RECENT_POPULARITY_RECALL_10, "0.0625"],
        [names.RMSE, "0.9000"],
        [names.COLD_RECALL_10, "-"],
        [names.USERS, "12345"],
        ["a", "new", "metric", "1.0000"],
    ]
    assert cold == [["slice_cold"], ["metric", "cold", "warm"], [names.RECALL_10, "0.1000", "0.3000"]]


def test_the_baseline_stands_beside_each_column() -> None:
    """Also where it lacks a slice: then with nothing in it."""
    baseline = ModelMetrics({names.RECALL_10: 0.2}, {"slice_cold": {"warm": {names.RECALL_10: 0.4}}})
    overall, cold, [note] = cells(metrics_tables(Report(CANDIDATE, baseline, "17")))
    assert overall[:2] == [["metric", "overall", "baseline"], [names.RECALL_10, "0.2500", "0.2000"]]
    assert cold[1:] == [
        ["metric", "cold", "baseline", "warm", "baseline"],
        [names.RECALL_10, "0.1000", "-", "0.3000", "0.4000"],
    ]
    assert note[:3] == ["baseline:", "version", "17,"]
