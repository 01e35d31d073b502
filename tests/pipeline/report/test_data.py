"""What moved between two runs' statistics."""

from __future__ import annotations

from typing import Any

from pipeline.report.data import moved


def row(feature: str, **figures: Any) -> dict[str, Any]:
    return {"table": "items", "split": "train", "feature": feature, "records": 100, "without": 0.0,
            "values": 1.0, **figures}  # fmt: skip


def test_what_moved_is_named_the_most_first() -> None:
    then = [row("year", mean=2000.0), row("price", mean=10.0), row("gone")]
    now = [row("year", mean=2001.0), row("price", mean=1000.0, without=0.5), row("brand", unique=3)]
    found = [(change["where"], change["figure"]) for change in moved(now, then)]
    assert found == [
        ("items / train / brand", "new"),
        ("items / train / gone", "gone"),
        ("items / train / price", "mean"),
        ("items / train / price", "without"),
    ]


def test_the_same_moved_nowhere() -> None:
    rows = [row("price", mean=10.0, deviation=0.0), row("none", mean=0.0)]
    assert moved(rows, rows) == []
