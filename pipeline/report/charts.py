"""The plots of a report, from its document."""

from __future__ import annotations

import collections
from typing import Any, Final

from components.common.metrics import names
from components.common.plots import plot
from components.common.plots.plot import Plot
from contract.nouns import plural

_BESIDE: Final = {"pushed": "last pushed", "popularity": "popularity", "recent": "recent popularity"}
_GROUPS: Final = 6
_NAMES: Final = 40
_SLICES: Final = {"slice_cold": "likes an unseen item", "slice_history": "history"}


def of_metrics(document: dict[str, Any]) -> list[Plot]:
    metrics = {row["metric"]: row for row in document.get("metrics", ())}
    shown = {
        name: row
        for name in (names.RECALL_10, names.RECALL_20, names.RECALL_100)
        if (row := metrics.get(name)) and row["value"] is not None
    }
    if not shown:
        return []
    series = {"this run": {name: row["value"] for name, row in shown.items()}}
    for key, title in _BESIDE.items():
        if all(row[key] is not None for row in shown.values()):
            series[title] = {name: row[key] for name, row in shown.items()}
    return [plot.grouped_bars("Recall at 10, 20 and 100", series, form="{:.3f}")]


def of_slices(document: dict[str, Any]) -> list[Plot]:
    found = []
    for feature, title in _SLICES.items():
        rows = [row for row in document.get("slices", ()) if row["feature"] == feature]
        values = {row["value"]: row[names.RECALL_10] for row in rows if row[names.RECALL_10] is not None}
        errors = {row["value"]: row["error"] for row in rows if row["error"] is not None}
        if values:
            found.append(plot.bars(f"recall@10 by {title}, 95 % intervals", values, errors))
    return found


def of_training(document: dict[str, Any]) -> list[Plot]:
    found = []
    for step, fit in document.get("training", {}).get("fits", {}).items():
        groups: dict[str, dict[str, list[Any]]] = {}
        for name, points in fit["curves"].items():
            if len(points) > 1:
                group, _, own = name.partition("/")
                groups.setdefault(group, {})[own] = points
        found += [
            plot.lines(f"{step}: {group} by epoch", series, "epoch") for group, series in groups.items()
        ]
    return found


def of_health(document: dict[str, Any]) -> list[Plot]:
    health = document.get("health")
    if not health:
        return []
    deciles = {
        "recommended": {f"tenth {i}": row["recommended"] for i, row in enumerate(health["deciles"], 1)},
        "events": {f"tenth {i}": row["events"] for i, row in enumerate(health["deciles"], 1)},
    }
    return [
        plot.grouped_bars("Share of recommendations and of events, most popular tenth first", deciles),
        plot.histogram("Scores of the first ten", health["scores"], "score"),
    ]


def of_map(document: dict[str, Any]) -> list[Plot]:
    points = document.get("map")
    if not points:
        return []
    often = [group for group, _ in collections.Counter(row["group"] for row in points).most_common(_GROUPS)]
    groups: dict[str, list[tuple[float, float]]] = {}
    for row in points:
        group = row["group"] if row["group"] in often else "others"
        groups.setdefault(group or "unknown", []).append(row["at"])
    ordered = dict(sorted(groups.items(), key=lambda entry: (entry[0] == "others", -len(entry[1]))))
    named = {row["item"]: row["at"] for row in points[:_NAMES]}
    nouns = plural(document.get("noun", "item"))
    return [plot.scatter(f"The {len(points):,} {nouns} with the most events", ordered, named)]


def of_steps(document: dict[str, Any]) -> list[Plot]:
    ran = {row["step"]: row["seconds"] for row in document["steps"] if not row["cached"]}
    memory = {row["step"]: row["memory"] for row in document["steps"] if row["memory"] is not None}
    found = [plot.bars("Seconds of the steps that ran", ran, form="{:.1f}")] if ran else []
    return [*found, plot.bars("Peak memory, MiB", memory, form="{:.0f}")] if memory else found
